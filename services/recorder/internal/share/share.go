// Package share divides partitions among the recorders that are there: each holds the leases of its fair share, gives back what is more, and takes over what a dead one leaves.
package share

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/lease"
	"github.com/leeward-failover/leeward/schemas"
)

// Partition is something that one recorder at a time writes.
type Partition struct {
	Name string
	// Run writes it until ctx ends, which it does with the lease; held says whether the lease lasts.
	Run func(ctx context.Context, held func() bool) error
}

// Share is one recorder's part of the partitions.
type Share struct {
	Bus    *bus.Bus
	Leases *bus.Mirror[schemas.Lease]
	// Member is this recorder, unlike every other and every earlier run of its own.
	Member     string
	TTL        time.Duration
	Partitions []Partition
	Log        zerolog.Logger
}

// Run holds and writes this recorder's share until ctx ends or a partition can not be written at all.
func (s Share) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// A lease of its own says that this recorder is there.
	g.Go(func() error { return s.keeper(memberPrefix + s.Member).Run(ctx) })
	g.Go(func() error { return s.divide(ctx) })
	return g.Wait()
}

// run is a partition that this recorder holds or bids for.
type run struct {
	stop context.CancelFunc
	done chan struct{}
}

// divide starts and stops partitions as recorders come and go.
func (s Share) divide(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	runs := map[string]run{}
	for ctx.Err() == nil {
		changed := s.Leases.Changed()
		if s.Leases.Synced() {
			wanted := Want(s.Member, s.names(), s.holders())
			for name, r := range runs {
				if !wanted[name] {
					r.stop()
					<-r.done
					delete(runs, name)
				}
			}
			for _, p := range s.Partitions {
				if _, ok := runs[p.Name]; wanted[p.Name] && !ok {
					runs[p.Name] = s.start(ctx, g, p)
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return g.Wait()
}

func (s Share) start(ctx context.Context, g *errgroup.Group, p Partition) run {
	holding, stop := context.WithCancel(ctx)
	r := run{stop, make(chan struct{})}
	g.Go(func() error {
		defer close(r.done)
		defer stop()
		keeper := s.keeper(p.Name)
		err := keeper.While(holding, func(ctx context.Context) error { return p.Run(ctx, keeper.Held) })
		if ctx.Err() == nil && errors.Is(err, context.Canceled) {
			return nil // it was given back
		}
		return err
	})
	return r
}

func (s Share) keeper(of string) *lease.Keeper {
	return lease.New(lease.Options{Bus: s.Bus, Bucket: schemas.ShareBucket, Leases: s.Leases, Of: of, Holder: s.Member, TTL: s.TTL, Log: s.Log.With().Str("lease", of).Logger()})
}

func (s Share) names() []string {
	names := make([]string, len(s.Partitions))
	for i, p := range s.Partitions {
		names[i] = p.Name
	}
	return names
}

// holders are the leases that somebody has, by what they are the right to.
func (s Share) holders() map[string]string {
	holders := map[string]string{}
	for _, e := range s.Leases.All() {
		holders[e.Value.Of] = e.Value.Holder
	}
	return holders
}

const memberPrefix = "recorder/"

// Want is which partitions a recorder should hold or bid for: its own up to the fair share, then free ones.
// Recorders begin their search at different places, so that two that start together seldom bid for the same.
func Want(me string, partitions []string, holders map[string]string) map[string]bool {
	members := map[string]bool{me: true}
	for of, holder := range holders {
		if of == memberPrefix+holder {
			members[holder] = true
		}
	}
	quota := (len(partitions) + len(members) - 1) / len(members)
	wanted := map[string]bool{}
	take := func(which func(holder string, held bool) bool) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(me))
		for i := range partitions {
			name := partitions[(i+int(h.Sum32()%uint32(len(partitions))))%len(partitions)]
			if holder, held := holders[name]; len(wanted) < quota && which(holder, held) {
				wanted[name] = true
			}
		}
	}
	take(func(holder string, _ bool) bool { return holder == me })
	take(func(_ string, held bool) bool { return !held })
	return wanted
}
