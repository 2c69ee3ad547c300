package loopback

import (
	"crypto/rand"
	"fmt"
	"net/http"
)

// app is a variant of the app in a region: a page, a health check, and in every answer the instance that gave it.
func app(s Site, variant string) http.Handler {
	instance := fmt.Sprintf("%s/%s/%s", s, variant, rand.Text()[:8])
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `{"ok":true}`) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "shop, served by %s\n%s\n", instance, Banner)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Leeward-Instance", instance)
		mux.ServeHTTP(w, r)
	})
}
