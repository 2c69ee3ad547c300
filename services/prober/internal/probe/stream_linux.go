package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/socks"
)

// stream is an open TCP connection of the prober's own: one of package net costs three times the system calls, for what a measurement has no use for.
type stream struct {
	to     netip.AddrPort
	poller *poller

	// use is held for reading while the socket is used, so that it is not closed and its number another's meanwhile.
	use    sync.RWMutex
	fd     int
	closed bool
	// watching says that the poller was told of it.
	watching sync.Once
	unseen   error
	in, out  side
}

// side is one direction of a stream.
type side struct {
	// news has a token when something has changed.
	news chan struct{}
	// over says that the deadline has passed; the timer is of one to come, and replaced under the stream's lock.
	over  atomic.Bool
	timer *time.Timer
}

// dialer opens connections: directly to an address as streams, else as the network does.
func dialer(network socks.Dialer, p *poller) Dial {
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
		return p.connect(ctx, to)
	}
}

// connect opens a stream.
func (p *poller) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at := placeOf(to)
	fd, err := at.socket()
	if err != nil {
		return nil, err
	}
	// What follows a handshake at once must not wait until that is acknowledged.
	now := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&now)), unsafe.Sizeof(now), 0)
	s := &stream{to: to, poller: p, fd: fd, in: side{news: make(chan struct{}, 1)}, out: side{news: make(chan struct{}, 1)}}
	if err = at.begin(fd); errors.Is(err, unix.EALREADY) {
		err = s.await(ctx, at)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// await waits until the connection is open.
func (s *stream) await(ctx context.Context, at *place) error {
	stop := context.AfterFunc(ctx, func() { _ = s.SetDeadline(past) })
	for {
		if err := s.wait(&s.out); err != nil {
			stop()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		if err := at.connect(s.fd); !errors.Is(err, unix.EALREADY) {
			if !stop() {
				return ctx.Err()
			}
			return err
		}
	}
}

// Read reads what has come, and waits for it.
func (s *stream) Read(p []byte) (n int, err error) {
	n, err = s.some(&s.in, readNow, p)
	switch {
	case err != nil:
		err = fmt.Errorf("read: %w", err)
	case n == 0 && len(p) > 0:
		err = io.EOF
	}
	return n, err
}

// Write writes all of it, and waits for room.
func (s *stream) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = s.some(&s.out, writeNow, p[n:])
		n += m
	}
	if err != nil {
		err = fmt.Errorf("write: %w", err)
	}
	return n, err
}

// some receives or sends some bytes.
func (s *stream) some(d *side, transfer func(fd int, p []byte) (int, syscall.Errno), p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, failed := s.once(transfer, p)
		switch failed {
		case 0:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			if err := s.wait(d); err != nil {
				return 0, err
			}
		case unix.EBADF:
			return 0, net.ErrClosed
		default:
			return 0, failed
		}
	}
}

// once receives or sends what can be without waiting.
func (s *stream) once(transfer func(fd int, p []byte) (int, syscall.Errno), p []byte) (int, syscall.Errno) {
	s.use.RLock()
	defer s.use.RUnlock()
	if s.closed {
		return 0, unix.EBADF
	}
	return transfer(s.fd, p)
}

// wait waits until something may be received or sent.
func (s *stream) wait(d *side) error {
	s.watching.Do(func() {
		s.use.RLock()
		defer s.use.RUnlock()
		if !s.closed {
			s.unseen = s.poller.watch(s.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, s.came)
		}
	})
	if s.unseen != nil {
		return s.unseen
	}
	if d.over.Load() {
		return os.ErrDeadlineExceeded
	}
	<-d.news
	return nil
}

// came notes what the kernel says.
func (s *stream) came(events uint32) {
	if events&^unix.EPOLLOUT != 0 {
		s.in.tell()
	}
	if events&^(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		s.out.tell()
	}
}

// tell has who waits look again.
func (d *side) tell() {
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// end sets a side's deadline, of which who waits is told.
func (s *stream) end(d *side, at time.Time) {
	s.use.Lock()
	defer s.use.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	left := time.Until(at)
	d.over.Store(!at.IsZero() && left <= 0)
	switch {
	case at.IsZero():
	case left <= 0:
		d.tell()
	default:
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			s.use.Lock()
			defer s.use.Unlock()
			if d.timer == timer {
				d.over.Store(true)
				d.tell()
			}
		})
		d.timer = timer
	}
}

// SetDeadline ends what waits from a time on.
func (s *stream) SetDeadline(at time.Time) error {
	_ = s.SetReadDeadline(at)
	return s.SetWriteDeadline(at)
}

// SetReadDeadline ends what waits for something to read from a time on.
func (s *stream) SetReadDeadline(at time.Time) error {
	s.end(&s.in, at)
	return nil
}

// SetWriteDeadline ends what waits to write from a time on.
func (s *stream) SetWriteDeadline(at time.Time) error {
	s.end(&s.out, at)
	return nil
}

// Close resets the connection and ends what waits.
func (s *stream) Close() error {
	s.use.Lock()
	defer s.use.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.poller.hangUp(s.fd)
	for _, d := range []*side{&s.in, &s.out} {
		if d.timer != nil {
			d.timer.Stop()
		}
		d.tell()
	}
	return nil
}

// roundTrip is how long the connection's handshake took as the kernel saw it.
func (s *stream) roundTrip() (time.Duration, bool) { return handshake(s.fd) }

// LocalAddr is where the connection comes from.
func (s *stream) LocalAddr() net.Addr {
	s.use.RLock()
	defer s.use.RUnlock()
	name, err := unix.Getsockname(s.fd)
	if err != nil || s.closed {
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
