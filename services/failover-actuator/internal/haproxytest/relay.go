package haproxytest

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Relay stands between an actuator and a runtime socket, counts the changes and can stop them.
type Relay struct {
	// Socket is where the relay listens.
	Socket string

	behind string
	mu     sync.Mutex
	// before and after are asked with each line that changes something, before it goes on and before its reply goes back; false drops the connection.
	before, after func(line string) bool
	changes       []string
}

// NewRelay starts a relay to a runtime socket.
func NewRelay(tb testing.TB, behind string) *Relay {
	tb.Helper()
	r := &Relay{Socket: filepath.Join(filepath.Dir(behind), "relay.sock"), behind: behind}
	l, err := net.Listen("unix", r.Socket)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r
}

// Before and After set what is asked before a change goes on, and before its reply goes back. Nil lets everything pass.
func (r *Relay) Before(ask func(line string) bool) { r.mu.Lock(); r.before = ask; r.mu.Unlock() }

// After sets what is asked before the reply to a change goes back.
func (r *Relay) After(ask func(line string) bool) { r.mu.Lock(); r.after = ask; r.mu.Unlock() }

// Changes are the lines that changed something and reached HAProxy, in order.
func (r *Relay) Changes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.changes...)
}

func (r *Relay) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	r.mu.Lock()
	before, after := r.before, r.after
	r.mu.Unlock()
	change := strings.Contains(line, "set server")
	if change && before != nil && !before(line) {
		return
	}
	back, err := net.Dial("unix", r.behind)
	if err != nil {
		return
	}
	defer func() { _ = back.Close() }()
	_, _ = io.WriteString(back, line)
	reply, _ := io.ReadAll(back)
	if change {
		r.mu.Lock()
		r.changes = append(r.changes, strings.TrimSpace(line))
		r.mu.Unlock()
		if after != nil && !after(line) {
			return
		}
	}
	_, _ = conn.Write(reply)
}
