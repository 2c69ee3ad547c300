package build

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/buildkit"
)

// parallel is how many variants are built at a time.
const parallel = 2

// Builder builds what pushes ask for.
type Builder struct {
	Bus      *bus.Bus
	Topology *bus.Mirror[schemas.TopologyPart]
	Engine   *buildkit.Engine
	// Root is the folder that build contexts are below.
	Root    string
	Log     zerolog.Logger
	Metrics Metrics
}

// Metrics count builds.
type Metrics struct {
	Builds  *prometheus.CounterVec
	Seconds *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r *prometheus.Registry) Metrics {
	m := Metrics{
		Builds: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_builder_builds_total", Help: "Builds that ended, by outcome."}, []string{"outcome"}),
		Seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "leeward_builder_build_seconds", Help: "How long builds took, the push included.",
			Buckets: prometheus.ExponentialBuckets(0.25, 2, 12)}, []string{"outcome"}),
	}
	r.MustRegister(m.Builds, m.Seconds)
	return m
}

// Run handles pushes until ctx ends.
func (b *Builder) Run(ctx context.Context) error {
	return bus.Consume(ctx, b.Bus, schemas.ImagePushedTopic, "", b.Handle)
}

// Handle builds every variant that a push asks for. An error means that nothing was judged and the event is to be offered again:
// what did succeed is known by then and not done twice.
func (b *Builder) Handle(ctx context.Context, e schemas.ImagePushed) error {
	t, err := b.topology(ctx)
	if errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, a := range Watchers(t, e) {
		push, err := b.newest(ctx, a, e)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		for _, v := range a.Variants {
			g.Go(func() error { return b.variant(ctx, Job{App: a, Variant: v, Push: push}) })
		}
	}
	return g.Wait()
}

// topology returns the topology as it is now: an event may have overtaken the change it belongs to on its way here.
func (b *Builder) topology(ctx context.Context) (schemas.Topology, error) {
	index, err := bus.Get(ctx, b.Bus, schemas.TopologyBucket, schemas.CurrentKey)
	if err != nil {
		return schemas.Topology{}, err
	}
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		changed := b.Topology.Changed()
		if seen, ok := b.Topology.Get(schemas.CurrentKey); ok && seen.Revision >= index.Revision {
			if t, err := bus.CurrentTopology(b.Topology); err == nil {
				return t, nil
			}
		}
		select {
		case <-changed:
		case <-wait.Done():
			return schemas.Topology{}, fmt.Errorf("topology %s: %w", index.Value.Current.Hash, wait.Err())
		}
	}
}

// newest puts into the event what the registry holds under the tag by now, so that an old event that comes again does not bring back an old image.
// When the tag is gone, what was pushed is built.
func (b *Builder) newest(ctx context.Context, a schemas.App, e schemas.ImagePushed) (schemas.ImagePushed, error) {
	for _, w := range a.Source.Watch {
		if !watches(w, e) {
			continue
		}
		digest, _, err := oci.Resolve(ctx, w.Registry, e.Repository, e.Tag)
		if err != nil && !errors.Is(err, oci.ErrNotFound) {
			return e, err
		}
		if err == nil {
			e.Digest = digest
		}
		e.Registry = w.Registry
	}
	return e, nil
}
