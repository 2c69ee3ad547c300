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

// states are what the gates of each app look at now. Vantages that the topology no longer has have no say.
func (m *Mirrors) states(t schemas.Topology) map[string]rank.State {
	known := map[string]bool{}
	for _, v := range t.Vantages {
		known[v.Name] = true
	}
	presences := slices.DeleteFunc(values(m.presences), func(p schemas.Presence) bool { return !known[p.Vantage] })
	all := make(map[string]rank.State, len(t.Apps))
	for _, app := range t.Apps {
		s := rank.State{Presences: presences}
		if e, ok := m.loads.Get(app.Name); ok {
			s.Load = e.Value
		}
		all[app.Name] = s
	}
	each := func(app string, add func(*rank.State)) {
		if s, ok := all[app]; ok {
			add(&s)
			all[app] = s
		}
	}
	for _, v := range values(m.verdicts) {
		if known[v.Vantage] {
			each(v.App, func(s *rank.State) { s.Verdicts = append(s.Verdicts, v) })
		}
	}
	for _, i := range values(m.images) {
		each(i.App, func(s *rank.State) { s.Images = append(s.Images, i) })
	}
	for _, o := range values(m.overrides) {
		each(o.App, func(s *rank.State) { s.Overrides = append(s.Overrides, o) })
	}
	for _, b := range values(m.benchmarks) {
		each(b.App, func(s *rank.State) { s.Benchmarks = append(s.Benchmarks, rank.NewBenchmark(b)) })
	}
	return all
}

func values[V schemas.Value](m *bus.Mirror[V]) []V {
	var all []V
	for _, e := range m.All() {
		all = append(all, e.Value)
	}
	return all
}
