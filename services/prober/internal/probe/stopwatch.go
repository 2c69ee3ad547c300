package probe

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// stopwatch times the parts of making a connection to a database that its driver does not show.
type stopwatch struct {
	dialer            Dial
	dns, connect, tls time.Duration
	// last is the connection that was made last: a driver may try several addresses.
	last *watched
}

// watched is a connection that knows when it was first written to.
type watched struct {
	net.Conn
	once  sync.Once
	began time.Time
}

func (w *watched) Write(p []byte) (int, error) {
	w.once.Do(func() { w.began = time.Now() })
	return w.Conn.Write(p)
}

// lookup resolves a host, as drivers that do it themselves want it done.
func (w *stopwatch) lookup(ctx context.Context, host string) ([]string, error) {
	found, took, err := resolve(ctx, host)
	w.dns += took
	addresses := make([]string, len(found))
	for i, a := range found {
		addresses[i] = a.String()
	}
	return addresses, err
}

// dial connects to host:port, or to the socket of a server on this machine.
func (w *stopwatch) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	var err error
	r := Result{Ended: time.Now()}
	if network == "unix" {
		conn, err = w.dialer(ctx, network, address)
	} else {
		conn, err = w.dialer.connect(ctx, &r, address)
	}
	w.dns += r.DNS
	w.connect += r.Connect
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		// A server is told goodbye, and should hear it.
		_ = tcp.SetLinger(-1)
	}
	w.last = &watched{Conn: conn}
	return w.last, nil
}

// watch has the handshakes of a TLS configuration timed: from the first that is said, which may have to ask for TLS, until the server's certificate was accepted.
func (w *stopwatch) watch(c *tls.Config) {
	if c == nil {
		return
	}
	verify := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		w.tls = time.Since(w.last.began)
		if verify == nil {
			return nil
		}
		return verify(state)
	}
}

// secure makes the handshake of a connection whose driver makes none.
func (w *stopwatch) secure(ctx context.Context, conn net.Conn, c *tls.Config) (net.Conn, error) {
	started := time.Now()
	secured := tls.Client(conn, c)
	err := secured.HandshakeContext(ctx)
	if w.tls = time.Since(started); err != nil {
		_ = conn.Close()
		return nil, tlsError{err}
	}
	return secured, nil
}
