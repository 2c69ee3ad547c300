package chembed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/filelock"
)

// Options says how to run the engine.
type Options struct {
	Library string // path of libchdb.so, from Locate
	Dir     string // where the data lives; one process at a time
	Addr    string // host:port on loopback; port 0 lets the system choose
	Token   string // the password of users leeward and default
	Log     zerolog.Logger
	Ready   func(addr string) // called once with the address in use, when requests are answered; may be nil
}

// grace is how long statements may go on once Serve was told to stop.
const grace = 5 * time.Second

// Serve runs the engine and answers requests until ctx ends. It must have the process to itself: the library is never
// unloaded, and what it has to say beyond its answers goes to standard error.
func Serve(ctx context.Context, o Options) error {
	if o.Token == "" {
		return errors.New("embedded ClickHouse: a token is required")
	}
	listener, err := listenLoopback(ctx, o.Addr)
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	defer func() { _ = listener.Close() }()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := filelock.Try(filepath.Join(dir, "leeward.lock"))
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: %s: %w", dir, err)
	}
	defer unlock()
	begin := time.Now()
	e, err := openEngine(o.Library, dir)
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	defer e.close()
	o.Log.Info().Str("addr", listener.Addr().String()).Str("dir", dir).Dur("took", time.Since(begin)).Msg("embedded ClickHouse started")
	if o.Ready != nil {
		o.Ready(listener.Addr().String())
	}
	return serveHTTP(ctx, listener, newHandler(e, o.Token, o.Log))
}

func listenLoopback(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("address %q is not on loopback: whoever reaches the port and has the token can read this "+
			"machine's files; use 127.0.0.1, or a ClickHouse server", addr)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() { // a hosts file may say anything of localhost
		return nil, errors.Join(fmt.Errorf("address %q is not on loopback but at %s", addr, l.Addr()), l.Close())
	}
	return l, nil
}

// serveHTTP answers until ctx ends, then lets statements finish for a while and kills the rest.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	running, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return running },
	}
	var g errgroup.Group
	g.Go(func() error { return server.Serve(l) })
	g.Go(func() error {
		<-ctx.Done()
		patient, done := context.WithTimeout(running, grace)
		defer done()
		if err := server.Shutdown(patient); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		kill()
		patient, done = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer done()
		return server.Shutdown(patient)
	})
	if err := g.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
