// Command server is the app of a test's image: it answers over HTTP, in its own time.
package main

import (
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	if os.Getenv("EXIT") != "" {
		println("no database: giving up")
		os.Exit(3)
	}
	wait, _ := strconv.Atoi(os.Getenv("WAIT_MS"))
	time.Sleep(time.Duration(wait) * time.Millisecond)
	if err := os.WriteFile("/pid", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		// A file that a later layer hid must not be here, and one that it wrote again has its words.
		if _, err := os.Stat("/etc/hidden"); err == nil {
			http.Error(w, "hidden is here", http.StatusInternalServerError)
			return
		}
		if text, _ := os.ReadFile("/etc/motd"); string(text) != "second" {
			http.Error(w, "motd is "+string(text), http.StatusInternalServerError)
		}
	})
	panic(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
