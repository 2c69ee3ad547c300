package probe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Dial opens a connection to host:port, directly or through a proxy.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// within is a Dial that gives up earlier.
func (d Dial) within(limit time.Duration) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return d(ctx, network, address)
	}
}

// TCP connects to host:port and hangs up.
func (d Dial) TCP(ctx context.Context, address string) Result {
	conn, r := d.connect(ctx, address)
	if r.Err == nil {
		r.Ended = time.Now()
		_ = conn.Close()
	}
	return r
}

// connect resolves and connects, and times both. Of several addresses it takes the first that answers.
func (d Dial) connect(ctx context.Context, address string) (net.Conn, Result) {
	var r Result
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, Result{Err: err}
	}
	addresses, took, err := resolve(ctx, host)
	if r.DNS = took; err != nil {
		r.Err = err
		return nil, r
	}
	started := time.Now()
	var conn net.Conn
	for _, a := range addresses {
		if conn, err = d(ctx, "tcp", net.JoinHostPort(a.String(), port)); err == nil {
			break
		}
	}
	r.Connect, r.Err = time.Since(started), err
	return conn, r
}

// resolve returns the addresses of a host; one that is an address already takes no time.
func resolve(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, 0, nil
	}
	started := time.Now()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses, time.Since(started), err
}
