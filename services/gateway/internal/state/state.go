// Package state mirrors the buckets the API answers from.
package state

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// State is a live copy of what the services last said.
type State struct {
	Topology *bus.Mirror[schemas.TopologyPart]
	Images   *bus.Mirror[schemas.ImageState]
	Verdicts *bus.Mirror[schemas.Verdict]
	Vantages *bus.Mirror[schemas.Presence]
	Rankings *bus.Mirror[schemas.Ranking]
	Routes   *bus.Mirror[schemas.Route]
	Plans    *bus.Mirror[schemas.Plan]
	Builds   *bus.Mirror[schemas.BuildState]
	// Benchmarks are the newest ones of the images.
	Benchmarks *bus.Mirror[schemas.BenchmarkState]
	Anomalies  *bus.Mirror[schemas.Anomaly]
	Overrides  *bus.Mirror[schemas.Override]
	// Discoveries are the latest looks at the entries of discover, Leases which gateway takes them.
	Discoveries *bus.Mirror[schemas.DiscoveryState]
	Leases      *bus.Mirror[schemas.Lease]

	bus *bus.Bus
	log zerolog.Logger
}

// New makes the mirrors; Run fills them.
func New(b *bus.Bus, log zerolog.Logger) *State {
	return &State{
		bus: b, log: log, Discoveries: bus.NewMirror(b, schemas.DiscoveryBucket), Leases: bus.NewMirror(b, schemas.GatewayLeaseBucket),
		Topology: bus.NewMirror(b, schemas.TopologyBucket), Builds: bus.NewMirror(b, schemas.BuildBucket), Images: bus.NewMirror(b, schemas.ImageBucket),
		Verdicts: bus.NewMirror(b, schemas.VerdictBucket), Vantages: bus.NewMirror(b, schemas.VantageBucket),
		Rankings: bus.NewMirror(b, schemas.RankingBucket), Routes: bus.NewMirror(b, schemas.RouteBucket), Plans: bus.NewMirror(b, schemas.PlanBucket),
		Benchmarks: bus.NewMirror(b, schemas.BenchmarkBucket),
		Overrides:  bus.NewMirror(b, schemas.OverrideBucket),
		Anomalies:  bus.NewMirror(b, schemas.AnomalyBucket),
	}
}

// mirror is what all of them have in common.
type mirror interface {
	Run(ctx context.Context) error
	Synced() bool
}

func (s *State) mirrors() []mirror {
	return []mirror{
		s.Topology, s.Builds, s.Images, s.Verdicts, s.Vantages, s.Rankings, s.Routes, s.Plans, s.Benchmarks, s.Overrides, s.Anomalies, s.Discoveries, s.Leases,
	}
}

// Run keeps every mirror until ctx ends.
func (s *State) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range s.mirrors() {
		g.Go(func() error { return one.Run(ctx) })
	}
	return g.Wait()
}

// Ready says whether every mirror has seen its bucket.
func (s *State) Ready() error {
	for _, one := range s.mirrors() {
		if !one.Synced() {
			return errors.New("the buckets have not been read yet")
		}
	}
	return nil
}

// CurrentTopology returns the accepted topology, an empty one before the first. It fails until the bucket has been read: what is not known yet is not the same as nothing.
func (s *State) CurrentTopology() (schemas.Topology, error) {
	if !s.Topology.Synced() {
		return schemas.Topology{}, errors.New("the topology has not been read from the bus yet")
	}
	// The only error is that there is none to be put together, and then t is empty.
	t, _ := bus.CurrentTopology(s.Topology)
	return t, nil
}
