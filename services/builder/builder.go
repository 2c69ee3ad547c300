// Package builder builds every variant of an app when an image it watches or the branch it is built from is pushed, and keeps the result in every region's registry.
package builder

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
	"github.com/leeward-failover/leeward/services/builder/internal/build"
	"github.com/leeward-failover/leeward/services/builder/internal/buildkit"
	"github.com/leeward-failover/leeward/services/builder/internal/replica"
)

// Run builds and replicates until ctx ends.
func Run(ctx context.Context, proc daemon.Process) error {
	cfg, err := readConfig(&env.Reader{Getenv: proc.Getenv})
	if err != nil {
		return err
	}
	b, err := bus.Connect(bus.Options{URL: cfg.busURL, Seed: cfg.busSeed, Service: schemas.Builder, Metrics: proc.Metrics, Log: proc.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	engine, err := buildkit.Connect(ctx, cfg.buildkit, cfg.buildTimeout, proc.Log)
	if err != nil {
		return err
	}
	defer engine.Close()
	topology := bus.NewMirror(b, schemas.TopologyBucket)
	builds := bus.NewMirror(b, schemas.BuildBucket)
	way := &benchmark.Way{}
	builder := &build.Builder{
		Begin: way.Build,
		Bus:   b, Topology: topology, Engine: engine, Root: cfg.buildRoot, Getenv: proc.Getenv, Gather: 2 * time.Second, Log: proc.Log, Metrics: build.NewMetrics(proc.Metrics),
	}
	keeper := &replica.Keeper{
		Bus: b, Topology: topology, Builds: builds, Backoff: time.Second, Recheck: time.Minute, Log: proc.Log, Metrics: replica.NewMetrics(proc.Metrics),
	}
	bench := benchmarks(b, topology, way, cfg.benchmark, proc)
	health := daemon.Health{Addr: cfg.health, Proc: proc, Ready: func() error {
		return errors.Join(b.Ready(), engine.Ready(), synced(topology))
	}}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return health.Run(ctx) })
	g.Go(func() error { return topology.Run(ctx) })
	g.Go(func() error { return builds.Run(ctx) })
	g.Go(func() error { return engine.Watch(ctx) })
	g.Go(func() error { return builder.Run(ctx) })
	g.Go(func() error { return keeper.Run(ctx) })
	if cfg.benchmark.folder != "" {
		g.Go(func() error { return bench.Images.Run(ctx) })
		g.Go(func() error { return bench.States.Run(ctx) })
		g.Go(func() error { return bench.Run(ctx) })
	}
	return g.Wait()
}

// Commands are the builder's own commands: none yet.
func Commands() []*cobra.Command { return nil }

func synced(m *bus.Mirror[schemas.TopologyPart]) error {
	if !m.Synced() {
		return errors.New("the topology has not been read yet")
	}
	return nil
}
