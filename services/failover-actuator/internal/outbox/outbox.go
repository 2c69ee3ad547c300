// Package outbox sends what was said in the order it was said, beside the work that goes on.
package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Box holds what is still to be sent. What it holds is lost with the process; whoever fills it can say it again, since events are de-duplicated by identity.
type Box struct {
	log zerolog.Logger

	mu      sync.Mutex
	waiting []func(context.Context) error
	filled  chan struct{}
}

// New makes an empty box.
func New(log zerolog.Logger) *Box { return &Box{log: log, filled: make(chan struct{}, 1)} }

// Put adds something to send and returns at once.
func (b *Box) Put(send ...func(context.Context) error) {
	b.mu.Lock()
	b.waiting = append(b.waiting, send...)
	b.mu.Unlock()
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// drain is how long a box goes on sending after it was told to stop.
const drain = 2 * time.Second

// Run sends until ctx ends, and then for a moment what is left.
func (b *Box) Run(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drain, cancel) })
	defer stop()
	for {
		select {
		case <-b.filled:
			b.flush(sending)
		case <-ctx.Done():
			b.flush(sending)
			return ctx.Err()
		}
	}
}

func (b *Box) flush(ctx context.Context) {
	for send := b.next(); send != nil && ctx.Err() == nil; send = b.next() {
		if err := send(ctx); err != nil {
			b.log.Warn().Err(err).Msg("event not sent")
		}
	}
}

func (b *Box) next() func(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return nil
	}
	send := b.waiting[0]
	b.waiting = b.waiting[1:]
	return send
}
