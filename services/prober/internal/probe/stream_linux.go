package probe

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/socks"
)

// stream is a TCP connection of the prober's own: one of package net costs three times the system calls, for what a measurement has no use for.
type stream struct {
	*os.File
	conn syscall.RawConn
	fd   int
	to   netip.AddrPort
}

// dialer opens connections: directly to an address as streams, else as the network does.
func dialer(network socks.Dialer) Dial {
	if network.Proxy != "" {
		return network.DialContext
	}
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(address)
		if err != nil || kind != "tcp" || to.Addr().Zone() != "" {
			return network.DialContext(ctx, kind, address)
		}
		if network.Permit != nil {
			if err := network.Permit(to.Addr()); err != nil {
				return nil, err
			}
		}
		return openStream(ctx, to)
	}
}

func openStream(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	p := placeOf(to)
	fd, err := p.socket()
	if err != nil {
		return nil, err
	}
	// What follows a handshake at once must not wait until that is acknowledged.
	now := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&now)), unsafe.Sizeof(now), 0)
	err = p.begin(fd)
	if err != nil && err != unix.EALREADY {
		hangUp(fd)
		return nil, err
	}
	s := &stream{File: os.NewFile(uintptr(fd), "connection"), fd: fd, to: to}
	if conn, failed := s.SyscallConn(); failed != nil {
		err = failed
	} else if s.conn = conn; err == unix.EALREADY {
		err = s.await(ctx, p)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// await waits until the connection is open.
func (s *stream) await(ctx context.Context, p *place) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = s.SetDeadline(past) })
	gone := s.conn.Write(func(fd uintptr) bool {
		err = pending(p.connect(int(fd)))
		return err != unix.EALREADY
	})
	if !stop() {
		return ctx.Err()
	}
	if gone != nil {
		return gone
	}
	return err
}

// Read reads what has come, and waits for it.
func (s *stream) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	gone := s.conn.Read(func(fd uintptr) bool {
		var failed syscall.Errno
		n, failed = transfer(unix.SYS_RECVFROM, fd, p)
		err = failed
		return failed != unix.EAGAIN
	})
	switch {
	case gone != nil:
		return 0, gone
	case err != syscall.Errno(0):
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of it, and waits for room.
func (s *stream) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		gone := s.conn.Write(func(fd uintptr) bool {
			m, failed := transfer(unix.SYS_SENDTO, fd, p[n:])
			n += m
			err = nil
			if failed != 0 {
				err = os.NewSyscallError("write", failed)
			}
			return failed != unix.EAGAIN
		})
		if gone != nil {
			err = gone
		}
	}
	return n, err
}

// transfer receives or sends, and does not wait.
func transfer(call, fd uintptr, p []byte) (n int, err syscall.Errno) {
	for {
		got, _, failed := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		switch failed {
		case 0:
			return int(got), 0
		case unix.EINTR:
		default:
			return 0, failed
		}
	}
}

// roundTrip is how long the connection's handshake took as the kernel saw it.
func (s *stream) roundTrip() (time.Duration, bool) { return handshake(s.fd) }

// LocalAddr is where the connection comes from.
func (s *stream) LocalAddr() net.Addr {
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return &net.TCPAddr{}
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	}
	return &net.TCPAddr{}
}

// RemoteAddr is where it goes.
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.to) }
