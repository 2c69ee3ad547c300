// Package lease keeps the right to act for something, an app or a partition: a key with a time to live that one process renews, and the others wait for.
// A lease is not a fence: who holds it must still prove with every write that nobody has written since, by an epoch or a revision.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// Options say whose lease it is and who wants it.
type Options struct {
	Bus    *bus.Bus
	Bucket schemas.Bucket[schemas.Lease]
	Leases *bus.Mirror[schemas.Lease]
	// Of is what the lease is the right to.
	Of string
	// Holder must be unlike every other's, that of an earlier run of the same instance included.
	Holder string
	TTL    time.Duration
	// Turned is called when the lease is won or given up; it may be nil.
	Turned func()
	Log    zerolog.Logger
}

// Keeper takes a lease when it is free and renews it while it can.
type Keeper struct {
	Options

	mu      sync.Mutex
	until   time.Time
	changed chan struct{}
}

// New makes a keeper that does not hold the lease yet.
func New(o Options) *Keeper { return &Keeper{Options: o, changed: make(chan struct{})} }

// Held says whether this process may act now. It gives up at two thirds of the time to live after the last renewal was sent,
// so that nobody else can hold the lease while it is true. Both the monotonic and the wall clock must agree: the first stands still while a machine sleeps.
func (k *Keeper) Held() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	return now.Before(k.until) && now.Round(0).Before(k.until.Round(0))
}

// Changed returns a channel that is closed when the lease is next won or given up. Take it before asking Held.
func (k *Keeper) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

func (k *Keeper) set(until time.Time) {
	if k.turn(until) && k.Turned != nil {
		k.Turned()
	}
}

// turn notes until when the lease is held, and says whether that begins or ends holding it.
func (k *Keeper) turn(until time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	turned := now.Before(k.until) != now.Before(until)
	k.until = until
	if turned {
		close(k.changed)
		k.changed = make(chan struct{})
	}
	return turned
}

// Run takes and renews the lease until ctx ends, then gives it back.
func (k *Keeper) Run(ctx context.Context) error {
	var revision uint64
	for ctx.Err() == nil {
		var err error
		if revision, err = k.win(ctx); err == nil {
			k.Log.Info().Str("holder", k.Holder).Msg("lease won")
			revision, err = k.renew(ctx, revision)
		}
		k.set(time.Time{})
		if ctx.Err() == nil {
			k.Log.Warn().Err(err).Msg("lease not held")
			pause(ctx, 200*time.Millisecond)
		}
	}
	if revision != 0 {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := bus.Delete(back, k.Bus, k.Bucket, revision, k.Of); err != nil {
			k.Log.Warn().Err(err).Msg("lease not given back")
		}
	}
	return ctx.Err()
}

// While runs work whenever the lease is held, under a context that ends with the lease, until ctx ends or work fails.
// It gives the lease back when work has returned, never before.
func (k *Keeper) While(ctx context.Context, work func(context.Context) error) error {
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { _ = k.Run(keeping); return nil })
	var err error
	for err == nil && k.await(ctx, true) {
		holding, lost := context.WithCancel(ctx)
		g.Go(func() error {
			defer lost()
			k.await(holding, false)
			return nil
		})
		// The lease may be won again before work has ended for want of it.
		if err = work(holding); holding.Err() != nil || !k.Held() {
			err = ctx.Err() // it ended because the lease did
		}
		lost()
	}
	stop()
	_ = g.Wait()
	return errors.Join(err, ctx.Err())
}

// await waits until the lease is held, or is not, and returns false when ctx ends first.
func (k *Keeper) await(ctx context.Context, held bool) bool {
	for ctx.Err() == nil {
		changed := k.Changed()
		if k.Held() == held {
			return true
		}
		// A lease that is not renewed ends by the clock, without a change that anybody reports.
		select {
		case <-changed:
		case <-time.After(k.TTL / 10):
		case <-ctx.Done():
		}
	}
	return false
}

// win waits until the lease is free or its own, and takes it. It returns the revision of its own write.
func (k *Keeper) win(ctx context.Context) (uint64, error) {
	if err := k.free(ctx); err != nil {
		return 0, err
	}
	e, err := bus.Get(ctx, k.Bus, k.Bucket, k.Of)
	if err == nil && e.Value.Holder != k.Holder {
		return 0, fmt.Errorf("held by %s", e.Value.Holder)
	}
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return 0, err
	}
	return k.put(ctx, e.Revision)
}

// free waits until nobody else is seen to hold the lease.
func (k *Keeper) free(ctx context.Context) error {
	for {
		changed := k.Leases.Changed()
		e, held := k.Leases.Get(k.Of)
		if k.Leases.Synced() && (!held || e.Value.Holder == k.Holder) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// renew writes the lease again and again, and returns when it no longer can.
func (k *Keeper) renew(ctx context.Context, revision uint64) (uint64, error) {
	for {
		if !pause(ctx, k.TTL*3/10) {
			return revision, ctx.Err()
		}
		next, err := k.put(ctx, revision)
		if errors.Is(err, bus.ErrConflict) || err != nil && !k.Held() {
			return 0, err
		}
		if err == nil {
			revision = next
			continue
		}
		// The bus is away for a moment; whether the write arrived is not known.
		k.Log.Warn().Err(err).Msg("lease not renewed")
		if revision, err = k.own(ctx); err != nil {
			return 0, err
		}
	}
}

// own reads the revision of the lease while it is still held.
func (k *Keeper) own(ctx context.Context) (uint64, error) {
	k.mu.Lock()
	until := k.until
	k.mu.Unlock()
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	e, err := bus.Get(ctx, k.Bus, k.Bucket, k.Of)
	if err == nil && e.Value.Holder != k.Holder {
		err = fmt.Errorf("held by %s", e.Value.Holder)
	}
	return e.Revision, err
}

// put writes the lease. It counts from before the write was sent: the server can only have begun later.
func (k *Keeper) put(ctx context.Context, revision uint64) (uint64, error) {
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, k.TTL/3)
	defer cancel()
	value := schemas.Lease{Of: k.Of, Holder: k.Holder, At: sent}
	next, err := bus.Put(ctx, k.Bus, k.Bucket, value, bus.Condition{TTL: k.TTL, Revision: bus.At(revision)})
	if err != nil {
		return 0, err
	}
	k.set(sent.Add(k.TTL * 2 / 3))
	return next, nil
}

// pause waits, or returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
