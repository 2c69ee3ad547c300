package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Dial opens a connection to host:port, directly or through a proxy.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// TCP connects to host:port and hangs up.
func (d Dial) TCP(ctx context.Context, address string) Result {
	r := begin()
	conn, err := d.connect(ctx, &r, address)
	if r.Err = err; err == nil {
		if kernel, ok := conn.(interface{ roundTrip() (time.Duration, bool) }); ok {
			r.believe(kernel.roundTrip())
		}
		_ = conn.Close()
	}
	return r
}

// believe puts what the kernel saw of a handshake in the place of what the process did, which may have come late to it.
func (r *Result) believe(trip time.Duration, known bool) {
	if known && trip <= r.Connect+stepTolerance {
		r.Ended = r.Ended.Add(trip - r.Connect)
		r.Connect = trip
		r.Flags |= schemas.KernelStamps
	}
}

// connect resolves and connects, and times both. Of several addresses it takes the first that answers.
// The connection is reset when it is closed: it was for a measurement, and leaves no port behind that waits for late packets.
func (d Dial) connect(ctx context.Context, r *Result, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	places := []string{address}
	if _, err := netip.ParseAddr(host); err != nil {
		addresses, _, err := resolve(ctx, host)
		if r.lap(&r.DNS); err != nil {
			return nil, err
		}
		places = places[:0]
		for _, a := range addresses {
			places = append(places, net.JoinHostPort(a.String(), port))
		}
	}
	var conn net.Conn
	for _, place := range places {
		if conn, err = d(ctx, "tcp", place); err == nil {
			break
		}
	}
	if r.lap(&r.Connect); err != nil {
		return nil, err
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	return conn, nil
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
