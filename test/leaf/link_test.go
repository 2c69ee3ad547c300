package leaf_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// link is the way to one address. While it is cut nothing passes, nobody is told, and who dials hears nothing; what was on its way arrives when it is healed.
type link struct {
	target   string
	listener net.Listener

	mu    sync.Mutex
	open  chan struct{}
	conns []net.Conn
	// passed is how many bytes came through.
	passed int64
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	l := &link{target: target, open: make(chan struct{})}
	close(l.open)
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.listener.Close(); l.heal() })
	go func() {
		for {
			c, err := l.listener.Accept()
			if err != nil {
				return
			}
			go l.join(c)
		}
	}()
	return l
}

func (l *link) addr() string { return l.listener.Addr().String() }

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// reset ends every connection; who dials again is let through.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// wait returns when the link is not cut.
func (l *link) wait() {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	<-open
}

func (l *link) join(near net.Conn) {
	l.wait()
	far, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = near.Close()
		return
	}
	l.mu.Lock()
	l.conns = append(l.conns, near, far)
	l.mu.Unlock()
	go l.pass(far, near)
	l.pass(near, far)
}

// pass copies one direction, and the end of it.
func (l *link) pass(to io.WriteCloser, from io.Reader) {
	defer func() { l.wait(); _ = to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		l.wait()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
		l.mu.Lock()
		l.passed += int64(n)
		l.mu.Unlock()
	}
}

func (l *link) bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passed
}
