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

// Reach connects to every address and returns how many answered. It returns as soon as enough have; the rest is given up.
func Reach(ctx context.Context, addresses []string, timeout time.Duration, enough int) (reached int) {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make(chan bool, len(addresses))
	for _, address := range addresses {
		work.Go(func() { answers <- answer(ctx, address) })
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

func answer(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
