// Package anchor finds out whether a vantage can be believed: it looks at addresses outside every app.
package anchor

import (
	"context"
	"net"
	"sync"
	"time"
)

// Enough is the smallest number of n anchors that must answer for a vantage to be sighted: half of them.
func Enough(n int) int { return (n + 1) / 2 }

// Dial opens a connection to host:port.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Reach connects to every address and returns how many answered. It returns as soon as enough have; the rest is given up.
func Reach(ctx context.Context, dial Dial, addresses []string, timeout time.Duration, enough int) (reached int) {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make(chan bool, len(addresses))
	for _, address := range addresses {
		work.Go(func() { answers <- answer(ctx, dial, address) })
	}
	for range addresses {
		if <-answers {
			reached++
		}
		if reached >= enough {
			break
		}
	}
	return reached
}

func answer(ctx context.Context, dial Dial, address string) bool {
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
