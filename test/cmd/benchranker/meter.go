package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/test/process"
)

// meter stands between the ranker and the engine, and measures what the engine takes while it answers. No samples are inserted meanwhile; what it merges then counts.
type meter struct {
	engine *process.Engine
	// turn is held by whoever inserts, and shared by the ranker's queries.
	turn *sync.RWMutex
	// DSN is where the ranker finds the engine behind the meter.
	DSN string

	mu      sync.Mutex
	asked   int           // queries under way
	begin   time.Duration // what the engine had taken when the first of them began
	total   time.Duration
	queries int
	err     error
}

// serve serves until ctx ends.
func (m *meter) serve(ctx context.Context) (stop func() error, err error) {
	target, err := url.Parse(m.engine.DSN)
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	behind := *target
	behind.Host = l.Addr().String()
	m.DSN = behind.String()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.turn.RLock()
		defer m.turn.RUnlock()
		m.count(1)
		defer m.count(-1)
		proxy.ServeHTTP(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	return func() error {
		err := errors.Join(server.Close(), <-served)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		return errors.Join(err, m.err)
	}, nil
}

// count counts a query that begins or ends.
func (m *meter) count(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cpu, err := m.engine.CPU()
	m.err = errors.Join(m.err, err)
	if m.asked == 0 {
		m.begin = cpu
	}
	if m.asked += n; m.asked == 0 {
		m.total += cpu - m.begin
		m.queries++
	}
}

// spent is what the engine has taken for queries so far; busy says whether there are any now.
func (m *meter) spent() (total time.Duration, busy bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total, m.asked > 0
}
