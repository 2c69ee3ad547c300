package console

import (
	"context"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

const (
	// keepEvents and keepBytes bound how many of the latest events are at hand.
	keepEvents = 2000
	keepBytes  = 32 << 20
)

// recent holds the latest control events, oldest first.
type recent struct {
	mu    sync.RWMutex
	facts []fact
	bytes int
}

// run follows the stream of events from its last ones on.
func (r *recent) run(ctx context.Context, b *bus.Bus) error {
	from, err := r.begin(ctx, b)
	if err != nil {
		return err
	}
	return b.Tail(ctx, schemas.Events, from, nil, func(m bus.Message) error {
		r.add(factOf(m))
		return nil
	})
}

// begin finds where the last events begin, as soon as the bus answers.
func (r *recent) begin(ctx context.Context, b *bus.Bus) (uint64, error) {
	for {
		look, cancel := context.WithTimeout(ctx, 5*time.Second)
		state, err := b.State(look, schemas.Events)
		cancel()
		if err == nil {
			return max(state.First, state.Last-min(state.Last, keepEvents)+1), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (r *recent) add(f fact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts = append(r.facts, f)
	r.bytes += len(f.Data)
	for len(r.facts) > keepEvents || r.bytes > keepBytes && len(r.facts) > 1 {
		r.bytes -= len(r.facts[0].Data)
		r.facts = r.facts[1:]
	}
}

// pick returns the events that are wanted, the newest first and at most n, and the sequence of the newest event at hand.
func (r *recent) pick(n int, wanted func(fact) bool) (picked []fact, newest uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := len(r.facts) - 1; i >= 0 && len(picked) < n; i-- {
		if wanted(r.facts[i]) {
			picked = append(picked, r.facts[i])
		}
	}
	if len(r.facts) > 0 {
		newest = r.facts[len(r.facts)-1].Sequence
	}
	return picked, newest
}
