package database

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// stopwatch times the parts of making a connection that the drivers do not show.
type stopwatch struct {
	dial Dial

	// mu is for drivers that connect once more on their own, to cancel what was given up.
	mu                sync.Mutex
	dns, connect, tls time.Duration
	// last is the connection that was made last: a driver may try several addresses.
	last *watched
}

// took is what the parts have taken up to now.
func (w *stopwatch) took() (dns, connect, tls time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dns, w.connect, w.tls
}

func (w *stopwatch) add(part *time.Duration, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*part += took
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

// lookup finds the addresses of a host, as drivers that ask for them want it done.
func (w *stopwatch) lookup(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	started := time.Now()
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	w.add(&w.dns, time.Since(started))
	return found, err
}

// open connects to host:port, of several addresses to the first that answers, or to the socket of a server on this machine.
func (w *stopwatch) open(ctx context.Context, network, address string) (net.Conn, error) {
	places := []string{address}
	if network != "unix" {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if places, err = w.lookup(ctx, host); err != nil {
			return nil, err
		}
		for i, place := range places {
			places[i] = net.JoinHostPort(place, port)
		}
	}
	var conn net.Conn
	var err error
	started := time.Now()
	for _, place := range places {
		if conn, err = w.dial(ctx, network, place); err == nil {
			break
		}
	}
	if w.add(&w.connect, time.Since(started)); err != nil {
		return nil, err
	}
	made := &watched{Conn: conn}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = made
	return made, nil
}

// watch has the handshakes of a TLS configuration timed: from the first that is said, which may have to ask for TLS, until the server's certificate was accepted.
func (w *stopwatch) watch(c *tls.Config) {
	if c == nil {
		return
	}
	verify := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		w.mu.Lock()
		w.tls = time.Since(w.last.began)
		w.mu.Unlock()
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
	if w.add(&w.tls, time.Since(started)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrTLS, err)
	}
	return secured, nil
}
