package database_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// relay stands between a prober and a database and counts how often the database answers: round trips.
type relay struct {
	// delay is how much later answers arrive.
	delay time.Duration

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
			go r.carry(far, near, func() { asked = true }, 0)
			go r.carry(near, far, func() {
				if asked {
					r.turns++
				}
				asked = false
			}, r.delay)
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

func (r *relay) carry(to, from net.Conn, count func(), delay time.Duration) {
	type piece struct {
		data []byte
		at   time.Time
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			data := make([]byte, 64<<10)
			n, err := from.Read(data)
			if err != nil {
				return
			}
			r.mu.Lock()
			count()
			r.mu.Unlock()
			pieces <- piece{data[:n], time.Now().Add(delay)}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.at))
		_, _ = to.Write(p.data)
	}
	_ = to.Close()
}

// reset returns how many round trips there were since the last time.
func (r *relay) reset() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.turns
	r.turns = 0
	return n
}
