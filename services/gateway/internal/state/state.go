// Package state mirrors the buckets the API answers from.
package state

import (
	"context"
	"errors"

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
}

// New makes the mirrors; Run fills them.
func New(b *bus.Bus) *State {
	return &State{
		Topology: bus.NewMirror(b, schemas.TopologyBucket), Builds: bus.NewMirror(b, schemas.BuildBucket), Images: bus.NewMirror(b, schemas.ImageBucket),
		Verdicts: bus.NewMirror(b, schemas.VerdictBucket), Vantages: bus.NewMirror(b, schemas.VantageBucket),
		Rankings: bus.NewMirror(b, schemas.RankingBucket), Routes: bus.NewMirror(b, schemas.RouteBucket), Plans: bus.NewMirror(b, schemas.PlanBucket),
		Benchmarks: bus.NewMirror(b, schemas.BenchmarkBucket),
	}
}

// Run keeps every mirror until ctx ends.
func (s *State) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{s.Topology.Run, s.Builds.Run, s.Images.Run, s.Verdicts.Run, s.Vantages.Run, s.Rankings.Run, s.Routes.Run, s.Plans.Run, s.Benchmarks.Run} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// Ready says whether every mirror has seen its bucket.
func (s *State) Ready() error {
	for _, synced := range []func() bool{s.Topology.Synced, s.Builds.Synced, s.Images.Synced, s.Verdicts.Synced, s.Vantages.Synced, s.Rankings.Synced, s.Routes.Synced, s.Plans.Synced, s.Benchmarks.Synced} {
		if !synced() {
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
