// Package refresh ranks every app again and again: it reads the statistics and the buckets, and publishes the ranking and what changed.
package refresh

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Mirrors are live copies of the buckets the gates read.
type Mirrors struct {
	topology   *bus.Mirror[schemas.TopologyPart]
	verdicts   *bus.Mirror[schemas.Verdict]
	presences  *bus.Mirror[schemas.Presence]
	images     *bus.Mirror[schemas.ImageState]
	loads      *bus.Mirror[schemas.Load]
	overrides  *bus.Mirror[schemas.Override]
	benchmarks *bus.Mirror[schemas.BenchmarkState]
}

// NewMirrors makes the mirrors; Run fills them.
func NewMirrors(b *bus.Bus) *Mirrors {
	return &Mirrors{
		topology: bus.NewMirror(b, schemas.TopologyBucket), verdicts: bus.NewMirror(b, schemas.VerdictBucket),
		presences: bus.NewMirror(b, schemas.VantageBucket), images: bus.NewMirror(b, schemas.ImageBucket),
		loads: bus.NewMirror(b, schemas.LoadBucket), overrides: bus.NewMirror(b, schemas.OverrideBucket),
		benchmarks: bus.NewMirror(b, schemas.BenchmarkBucket),
	}
}

// Run keeps the mirrors until ctx ends.
func (m *Mirrors) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range m.all() {
		g.Go(func() error { return one.Run(ctx) })
	}
	return g.Wait()
}

// Ready says whether every bucket has been read.
func (m *Mirrors) Ready() error {
	for _, one := range m.all() {
		if !one.Synced() {
			return errors.New("the buckets have not been read yet")
		}
	}
	return nil
}

type mirror interface {
	Run(ctx context.Context) error
	Synced() bool
	Wait(ctx context.Context) error
}

func (m *Mirrors) all() []mirror {
	return []mirror{m.topology, m.verdicts, m.presences, m.images, m.loads, m.overrides, m.benchmarks}
}

// synced waits until every bucket has been read: a gate judged before would fail for no reason.
func (m *Mirrors) synced(ctx context.Context) error {
	for _, one := range m.all() {
		if err := one.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// state is what the gates look at now. Vantages that the topology no longer has have no say.
func (m *Mirrors) state(t schemas.Topology) rank.State {
	unknown := func(vantage string) bool { _, ok := t.Vantage(vantage); return !ok }
	return rank.State{
		Verdicts:  slices.DeleteFunc(values(m.verdicts), func(v schemas.Verdict) bool { return unknown(v.Vantage) }),
		Presences: slices.DeleteFunc(values(m.presences), func(p schemas.Presence) bool { return unknown(p.Vantage) }),
		Images:    values(m.images), Benchmarks: benchmarks(m.benchmarks),
		Overrides: values(m.overrides),
	}
}

// stateOf is the state with what is of one app alone.
func (m *Mirrors) stateOf(app string, t schemas.Topology) rank.State {
	s := m.state(t)
	if e, ok := m.loads.Get(app); ok {
		s.Load = e.Value
	}
	return s
}

func values[V schemas.Value](m *bus.Mirror[V]) []V {
	var all []V
	for _, e := range m.All() {
		all = append(all, e.Value)
	}
	return all
}

func benchmarks(m *bus.Mirror[schemas.BenchmarkState]) []rank.Benchmark {
	var all []rank.Benchmark
	for _, state := range values(m) {
		all = append(all, rank.NewBenchmark(state))
	}
	return all
}
