package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health answers for a service: /livez while the process runs, /readyz when every part it depends on is there, /metrics.
type Health struct {
	// Addr is where to listen, host:port.
	Addr string
	// Ready returns why the service can not do its work now, or nil.
	Ready func() error
	Proc  Process
	// Also are further handlers by their pattern.
	Also map[string]http.Handler
}

// Run serves until ctx ends.
func (h Health) Run(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", h.Addr)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	h.Proc.Log.Info().Str("address", listener.Addr().String()).Msg("health served")
	return Serve(ctx, listener, h.Handler())
}

// Handler returns the three endpoints, and the further ones.
func (h Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.Proc.Metrics, promhttp.HandlerOpts{}))
	for pattern, handler := range h.Also {
		mux.Handle(pattern, handler)
	}
	return mux
}

// Serve serves handler on listener until ctx ends, then lets requests under way finish for five seconds.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
