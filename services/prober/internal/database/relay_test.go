package database_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// relay stands between a prober and a database and counts how often the database answers: round trips.
type relay struct {
	mu    sync.Mutex
	turns int
}

// through returns an address that leads through the relay to a database.
func (r *relay) through(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", database)
			if err != nil {
				_ = near.Close()
				continue
			}
			// A connection begins with the server's turn; what it says unasked is no answer.
			asked := false
			go r.carry(far, near, func() { asked = true })
			go r.carry(near, far, func() {
				if asked {
					r.turns++
				}
				asked = false
			})
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

func (r *relay) carry(to, from net.Conn, count func()) {
	defer func() { _ = to.Close() }()
	for buffer := make([]byte, 64<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		r.mu.Lock()
		count()
		r.mu.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// reset returns how many round trips there were since the last time.
func (r *relay) reset() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.turns
	r.turns = 0
	return n
}
