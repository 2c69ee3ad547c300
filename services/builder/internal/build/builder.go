package build

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/git"
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
	Root string
	// Getenv finds what references to secrets name.
	Getenv func(string) string
	// Gather is how long after a push more of them are awaited before anything is built.
	Gather time.Duration
	// Begin makes way for a build until done is called.
	Begin   func() (done func())
	Log     zerolog.Logger
	Metrics Metrics

	// turn is held while an event is handled: two at a time would build the same variants beside each other.
	turn sync.Mutex
}

// Metrics count builds.
type Metrics struct {
	Builds  *prometheus.CounterVec
	Running *prometheus.GaugeVec
	Seconds *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r *prometheus.Registry) Metrics {
	m := Metrics{
		Builds:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_builder_builds_total", Help: "Builds that ended, by outcome: succeeded or failed."}, []string{"app", "variant", "outcome"}),
		Running: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_builder_builds_running", Help: "Builds under way."}, []string{"app", "variant"}),
		Seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "leeward_builder_build_seconds", Help: "How long builds took, the push included.",
			Buckets: prometheus.ExponentialBuckets(0.25, 2, 12)}, []string{"app", "variant", "outcome"}),
	}
	r.MustRegister(m.Builds, m.Running, m.Seconds)
	return m
}

// began counts a build that begins. Its counters are there from then on, so that the first failure is seen as an increase.
func (m Metrics) began(j Job) {
	m.Running.WithLabelValues(j.App.Name, j.Variant.Name).Inc()
	for _, outcome := range []string{"succeeded", "failed"} {
		m.Builds.WithLabelValues(j.App.Name, j.Variant.Name, outcome)
	}
}

// Run handles pushes until ctx ends.
func (b *Builder) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return bus.Consume(ctx, b.Bus, schemas.ImagePushedTopic, "", b.Handle) })
	g.Go(func() error { return bus.Consume(ctx, b.Bus, schemas.SourcePushedTopic, "", b.HandleSource) })
	return g.Wait()
}

// Handle builds every variant that a pushed image asks for. An error means that nothing was judged and the event is to be offered again:
// what did succeed is known by then and not done twice.
func (b *Builder) Handle(ctx context.Context, e schemas.ImagePushed) error {
	if err := b.gather(ctx, e.At); err != nil {
		return err
	}
	return b.each(ctx, Asked{e.Identity(), e.Digest}, e, func(t schemas.Topology) []schemas.App { return Watchers(t, e) })
}

// HandleSource builds every variant that a pushed branch asks for, as Handle does.
func (b *Builder) HandleSource(ctx context.Context, e schemas.SourcePushed) error {
	return b.each(ctx, Asked{e.Identity(), e.Commit}, schemas.ImagePushed{}, func(t schemas.Topology) []schemas.App { return Owners(t, e) })
}

// each builds every variant of the apps that an event concerns; push is the event's image, if it is about one.
func (b *Builder) each(ctx context.Context, asked Asked, push schemas.ImagePushed, concerned func(schemas.Topology) []schemas.App) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	t, err := b.topology(ctx)
	if errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, a := range concerned(t) {
		inputs, err := b.inputs(ctx, a, push)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		for _, v := range a.Variants {
			g.Go(func() error { return b.variant(ctx, Job{App: a, Variant: v, Inputs: inputs, Asked: asked}) })
		}
	}
	return g.Wait()
}

// inputs asks registries and the git server what the app would be built from now.
func (b *Builder) inputs(ctx context.Context, a schemas.App, push schemas.ImagePushed) (Inputs, error) {
	bases, err := resolve(ctx, a, push)
	in := Inputs{Bases: bases}
	branch := a.Source.Git
	if err != nil || branch.Repository == "" {
		return in, err
	}
	if branch.Token != "" {
		if in.Token, in.Refused = env.Resolve(branch.Token, b.Getenv); in.Refused != nil {
			return in, nil
		}
	}
	in.Commit, err = git.Head(ctx, branch.Repository, branch.Branch, in.Token)
	if errors.Is(err, git.ErrNotFound) {
		in.Refused, err = err, nil
	}
	return in, err
}

// gather waits until pushes that belong together have all arrived: an image is often pushed under several tags at once.
func (b *Builder) gather(ctx context.Context, pushed time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(b.Gather, time.Until(pushed.Add(b.Gather)))):
		return nil
	}
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

// resolve asks the registries what every image that the app watches is now.
func resolve(ctx context.Context, a schemas.App, e schemas.ImagePushed) ([]Base, error) {
	var bases []Base
	for _, w := range a.Source.Watch {
		for _, tag := range w.Tags {
			digest, _, err := oci.Resolve(ctx, w.Registry, w.Repository, tag)
			if errors.Is(err, oci.ErrNotFound) {
				// What was pushed is built although its tag is gone; other tags that are gone are not pinned.
				if !watches(w, e) || e.Tag != tag {
					continue
				}
				digest, err = e.Digest, nil
			}
			if err != nil {
				return nil, err
			}
			bases = append(bases, Base{Registry: w.Registry, Repository: w.Repository, Tag: tag, Digest: digest})
		}
	}
	return bases, nil
}
