// Package socks is what Leeward needs of the SOCKS protocol: connecting through a proxy (version 5, RFC 1928), and being asked for a connection (versions 4 and 5).
// It knows no authentication, and the proxy is asked for addresses: names are resolved by who asks.
package socks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

const (
	version4, version5 = 4, 5
	connect            = 1
	noAuthentication   = 0
	ipv4, ipv6         = 1, 4

	granted                                                         = 0
	failed, forbidden, netUnreachable, hostUnreachable, connRefused = 1, 2, 3, 4, 5
	granted4, failed4                                               = 90, 91
)

// ErrForbidden says that the proxy does not connect to that address.
var ErrForbidden = errors.New("forbidden by the proxy")

// codes are the errors that have an answer of their own in version 5.
var codes = map[byte]error{
	forbidden: ErrForbidden, netUnreachable: syscall.ENETUNREACH, hostUnreachable: syscall.EHOSTUNREACH, connRefused: syscall.ECONNREFUSED,
}

// Dialer connects through a proxy; its zero value connects directly.
type Dialer struct {
	// Proxy is the proxy's host:port.
	Proxy string
	// Permit is asked about every address before it is connected to, and says why it may not be; nil permits all. The proxy itself is not asked about.
	Permit func(netip.Addr) error
}

// DialContext connects to host:port. Through a proxy, the error of a refusal is that of a direct connection.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Proxy == "" {
		return d.direct().DialContext(ctx, network, address)
	}
	target, err := resolve(ctx, address)
	if err == nil && d.Permit != nil {
		err = d.Permit(target.Addr())
	}
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, d.Proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = ask(conn, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connect %s through %s: %w", address, d.Proxy, err)
	}
	return conn, nil
}

// direct is a dialer that asks about the address that a name was resolved to.
func (d Dialer) direct() *net.Dialer {
	if d.Permit == nil {
		return &net.Dialer{}
	}
	return &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return d.Permit(to.Addr())
	}}
}

func resolve(ctx context.Context, address string) (netip.AddrPort, error) {
	if target, err := netip.ParseAddrPort(address); err == nil {
		return target, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(found[0].Unmap(), uint16(n)), nil
}

func ask(conn io.ReadWriter, target netip.AddrPort) error {
	if _, err := conn.Write([]byte{version5, 1, noAuthentication}); err != nil {
		return err
	}
	var chosen [2]byte
	if _, err := io.ReadFull(conn, chosen[:]); err != nil {
		return err
	}
	if chosen != [2]byte{version5, noAuthentication} {
		return fmt.Errorf("the proxy wants to know who asks, or is none of SOCKS 5")
	}
	kind := byte(ipv6)
	if target.Addr().Is4() {
		kind = ipv4
	}
	request := append([]byte{version5, connect, 0, kind}, target.Addr().AsSlice()...)
	if _, err := conn.Write(binary.BigEndian.AppendUint16(request, target.Port())); err != nil {
		return err
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if _, err := readAddress(conn, answer[3]); err != nil {
		return err
	}
	if err, ok := codes[answer[1]]; ok {
		return err
	}
	if answer[1] != granted {
		return fmt.Errorf("the proxy answers %d", answer[1])
	}
	return nil
}

// readAddress reads an address of a kind and the port behind it.
func readAddress(r io.Reader, kind byte) (netip.AddrPort, error) {
	length, ok := map[byte]int{ipv4: 4, ipv6: 16}[kind]
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("addresses of kind %d are not known; resolve names first", kind)
	}
	b := make([]byte, length+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return netip.AddrPort{}, err
	}
	a, _ := netip.AddrFromSlice(b[:length])
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[length:])), nil
}

// Request is a connection that somebody asks for, answered once.
type Request struct {
	Target  netip.AddrPort
	version byte
}

// Accept reads what a client asks for.
func Accept(conn io.ReadWriter) (Request, error) {
	var version [1]byte
	if _, err := io.ReadFull(conn, version[:]); err != nil {
		return Request{}, err
	}
	switch version[0] {
	case version4:
		return accept4(conn)
	case version5:
		return accept5(conn)
	}
	return Request{}, fmt.Errorf("%d is not a version of SOCKS that is spoken here", version[0])
}

// longestUser is how long the name that version 4 carries may be; it is not used.
const longestUser = 255

func accept4(conn io.Reader) (Request, error) {
	var b [7]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return Request{}, err
	}
	for n, user := 0, [1]byte{1}; user[0] != 0; n++ {
		if n > longestUser {
			return Request{}, errors.New("the name of who asks is too long")
		}
		if _, err := io.ReadFull(conn, user[:]); err != nil {
			return Request{}, err
		}
	}
	if b[0] != connect {
		return Request{}, fmt.Errorf("command %d is not spoken here", b[0])
	}
	return Request{netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[3:])), binary.BigEndian.Uint16(b[1:])), version4}, nil
}

func accept5(conn io.ReadWriter) (Request, error) {
	var count [1]byte
	if _, err := io.ReadFull(conn, count[:]); err != nil {
		return Request{}, err
	}
	if _, err := io.CopyN(io.Discard, conn, int64(count[0])); err != nil {
		return Request{}, err
	}
	if _, err := conn.Write([]byte{version5, noAuthentication}); err != nil {
		return Request{}, err
	}
	var b [4]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return Request{}, err
	}
	target, err := readAddress(conn, b[3])
	if err == nil && b[1] != connect {
		err = fmt.Errorf("command %d is not spoken here", b[1])
	}
	return Request{target, version5}, err
}

// Answer tells the client that it is connected, or why not.
func (r Request) Answer(conn io.Writer, why error) error {
	answer := []byte{version5, granted, 0, ipv4, 0, 0, 0, 0, 0, 0}
	switch {
	case r.version == version4 && why == nil:
		answer = []byte{0, granted4, 0, 0, 0, 0, 0, 0}
	case r.version == version4:
		answer = []byte{0, failed4, 0, 0, 0, 0, 0, 0}
	case why != nil:
		answer[1] = failed
		for code, err := range codes {
			if errors.Is(why, err) {
				answer[1] = code
			}
		}
	}
	_, err := conn.Write(answer)
	return err
}

// ValidProxy returns what is wrong with a proxy's host:port, or nil.
func ValidProxy(address string) error {
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not host:port of a SOCKS 5 proxy", address)
	}
	return nil
}
