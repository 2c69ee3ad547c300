package pilot

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
)

// Mirrors are the live copies of everything decisions are made from, shared by all pilots.
type Mirrors struct {
	Topology  *bus.Mirror[schemas.TopologyPart]
	Verdicts  *bus.Mirror[schemas.Verdict]
	Vantages  *bus.Mirror[schemas.Presence]
	Rankings  *bus.Mirror[schemas.Ranking]
	Images    *bus.Mirror[schemas.ImageState]
	Routes    *bus.Mirror[schemas.Route]
	Plans     *bus.Mirror[schemas.Plan]
	Leases    *bus.Mirror[schemas.Lease]
	Loads     *bus.Mirror[schemas.Load]
	Overrides *bus.Mirror[schemas.Override]
}

// NewMirrors makes mirrors that fill once Run is called.
func NewMirrors(b *bus.Bus) *Mirrors {
	return &Mirrors{
		Topology: bus.NewMirror(b, schemas.TopologyBucket), Verdicts: bus.NewMirror(b, schemas.VerdictBucket),
		Vantages: bus.NewMirror(b, schemas.VantageBucket), Rankings: bus.NewMirror(b, schemas.RankingBucket),
		Images: bus.NewMirror(b, schemas.ImageBucket), Routes: bus.NewMirror(b, schemas.RouteBucket),
		Plans: bus.NewMirror(b, schemas.PlanBucket), Leases: bus.NewMirror(b, schemas.LeaseBucket),
		Loads: bus.NewMirror(b, schemas.LoadBucket), Overrides: bus.NewMirror(b, schemas.OverrideBucket),
	}
}

// Run keeps the mirrors until ctx ends.
func (m *Mirrors) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{m.Topology.Run, m.Verdicts.Run, m.Vantages.Run, m.Rankings.Run,
		m.Images.Run, m.Routes.Run, m.Plans.Run, m.Leases.Run, m.Loads.Run, m.Overrides.Run} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// Ready returns why decisions can not be made yet, or nil.
func (m *Mirrors) Ready() error {
	for _, synced := range []bool{m.Topology.Synced(), m.Verdicts.Synced(), m.Vantages.Synced(), m.Rankings.Synced(),
		m.Images.Synced(), m.Routes.Synced(), m.Plans.Synced(), m.Leases.Synced(), m.Loads.Synced(), m.Overrides.Synced()} {
		if !synced {
			return errors.New("the state on the bus has not been read yet")
		}
	}
	return nil
}

// changes are the channels that tell of the next change of what decisions are made from.
type changes struct{ verdicts, vantages, rankings, images, routes, plans <-chan struct{} }

func (m *Mirrors) changes() changes {
	return changes{m.Verdicts.Changed(), m.Vantages.Changed(), m.Rankings.Changed(), m.Images.Changed(), m.Routes.Changed(), m.Plans.Changed()}
}

// glance reads what says how an app does in some regions, and no more: it is read at every verdict.
func (m *Mirrors) glance(t schemas.Topology, app schemas.App, regions ...string) decide.Facts {
	f := decide.Facts{Topology: t, App: app, Now: time.Now()}
	for _, v := range t.Vantages {
		if e, ok := m.Vantages.Get(v.Name); ok {
			f.Presences = append(f.Presences, e.Value)
		}
		for _, region := range regions {
			if e, ok := m.Verdicts.Get(v.Name, app.Name, region); ok {
				f.Verdicts = append(f.Verdicts, e.Value)
			}
		}
	}
	return f
}

// facts reads everything a decision about an app is made from, except its route and plans.
func (m *Mirrors) facts(t schemas.Topology, app schemas.App) decide.Facts {
	f := m.glance(t, app)
	for _, e := range m.Verdicts.All() {
		if _, known := t.Vantage(e.Value.Vantage); known {
			f.Verdicts = append(f.Verdicts, e.Value)
		}
	}
	for _, e := range m.Images.All() {
		if e.Value.App == app.Name {
			f.Images = append(f.Images, e.Value)
		}
	}
	if e, ok := m.Rankings.Get(app.Name); ok {
		f.Ranking = e.Value
	}
	if e, ok := m.Loads.Get(app.Name); ok {
		f.Load = e.Value
	}
	for _, e := range m.Overrides.All() {
		f.Overrides = append(f.Overrides, e.Value)
	}
	return f
}
