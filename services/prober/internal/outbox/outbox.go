// Package outbox turns samples into batches, keeps them in the spool and sends them until the bus has acknowledged each.
package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/clock"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/meter"
	"github.com/leeward-failover/leeward/services/prober/internal/spool"
)

// A batch is sealed when it is this old or holds this many samples.
const (
	batchAge  = 200 * time.Millisecond
	batchSize = 500
)

// senders is how many batches may be under way at once: a bus a quarter of a second away acknowledges four a second to each.
const senders = 8

// farewell bounds how long a stopping prober tries to deliver what is left; the rest waits on disk for the next start.
const farewell = 2 * time.Second

// Outbox is where samples go.
type Outbox struct {
	Vantage string
	Boot    uint64
	Spool   *spool.Spool
	// Publish returns when a batch is stored.
	Publish func(ctx context.Context, subject, id string, data []byte) error
	Meter   *meter.Meter
	Log     zerolog.Logger

	mu      sync.Mutex
	open    *schemas.SampleBatch
	sealed  []*schemas.SampleBatch
	counter uint64
	// last is how many samples the batch before held: the next one is likely to hold as many.
	last int
}

// Origin is what the samples of one batch have in common.
type Origin struct{ VantageRegion, Topology string }

// Add takes a sample. It never blocks on the disk or the bus.
func (o *Outbox) Add(from Origin, s schemas.Sample) {
	o.Meter.Sample(s)
	o.mu.Lock()
	defer o.mu.Unlock()
	if b := o.open; b != nil && (b.Topology != from.Topology || b.VantageRegion != from.VantageRegion || b.Len() >= batchSize) {
		o.seal()
	}
	if o.open == nil {
		o.counter++
		o.open = &schemas.SampleBatch{Vantage: o.Vantage, VantageRegion: from.VantageRegion, Boot: o.Boot, Counter: o.counter, Topology: from.Topology, ClockErrorUS: uint32(clock.Error().Microseconds())}
		o.open.Grow(o.last)
	}
	o.open.Append(s)
}

func (o *Outbox) seal() {
	if o.open != nil {
		o.last = o.open.Len()
		o.sealed, o.open = append(o.sealed, o.open), nil
	}
}

// Run stores and sends until ctx ends, then for a short while more. Who adds samples ends first.
func (o *Outbox) Run(ctx context.Context) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	for range senders {
		g.Go(func() error { return o.send(sending) })
	}
	o.store(ctx)
	last, cancel := context.WithTimeout(sending, farewell)
	defer cancel()
	_ = o.Spool.Empty(last)
	stop()
	_ = g.Wait()
	return ctx.Err()
}

// store moves samples into the spool until ctx ends, the last ones included.
func (o *Outbox) store(ctx context.Context) {
	tick := time.NewTicker(batchAge)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			o.flush()
		}
	}
	o.flush()
}

func (o *Outbox) flush() {
	o.mu.Lock()
	o.seal()
	sealed := o.sealed
	o.sealed = nil
	o.mu.Unlock()
	for _, b := range sealed {
		dropped, err := o.Spool.Put(b)
		if err != nil {
			o.Log.Error().Err(err).Str("batch", b.MessageID()).Msg("batch not on disk")
		}
		if dropped > 0 {
			o.Log.Error().Int("batches", dropped).Msg("oldest samples lost")
		}
	}
}

// attempt bounds one try, so that a bus that stays away shows in the metrics.
const attempt = 5 * time.Second

func (o *Outbox) send(ctx context.Context) error {
	for {
		b, err := o.Spool.Take(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			o.Log.Error().Err(err).Msg("batch lost")
			continue
		}
		one, cancel := context.WithTimeout(ctx, attempt)
		err = o.Publish(one, b.Subject, b.ID, b.Data)
		cancel()
		if err != nil {
			o.Meter.PublishErrors.Inc()
			o.Spool.Return(b)
			pause(ctx)
			continue
		}
		o.Spool.Done(b)
	}
}

// pause keeps a batch that is refused at once from being tried without end.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(250 * time.Millisecond):
	}
}
