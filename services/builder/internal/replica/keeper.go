package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// Keeper runs one copier per target, and changes them as the topology and the builds change. Copiers do not wait for each other.
type Keeper struct {
	Bus      *bus.Bus
	Topology *bus.Mirror[schemas.TopologyPart]
	Builds   *bus.Mirror[schemas.BuildState]
	// Backoff is the first pause after a failure; it doubles up to thirty seconds.
	Backoff time.Duration
	// Recheck is how often a verified copy is verified again.
	Recheck time.Duration
	Log     zerolog.Logger
	Metrics *Metrics
}

// Metrics measure replication.
type Metrics struct {
	seconds *prometheus.HistogramVec
	pending atomic.Int64
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r *prometheus.Registry) *Metrics {
	m := &Metrics{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "leeward_builder_replication_seconds",
		Help: "How long copying an image to a region and verifying it took, by outcome.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 15)}, []string{"region", "outcome"})}
	r.MustRegister(m.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leeward_builder_pending_regions",
		Help: "Images that a region's registry is to hold and was not yet, or is no longer, seen to hold."}, func() float64 { return float64(m.pending.Load()) }))
	return m
}

// running is a copier under way.
type running struct {
	target Target
	stop   context.CancelFunc
	ended  chan struct{}
}

// Run keeps the copies until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	copiers := map[string]running{}
	for {
		topology, builds := k.Topology.Changed(), k.Builds.Changed()
		if wanted, ok := k.wanted(); ok {
			k.adjust(ctx, &group, copiers, wanted)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-topology:
		case <-builds:
		}
	}
}

// wanted returns the targets by key, unless what they follow from is not known at the moment.
func (k *Keeper) wanted() (map[string]Target, bool) {
	t, err := bus.CurrentTopology(k.Topology)
	if err != nil || !k.Builds.Synced() {
		return nil, false
	}
	var builds []schemas.BuildState
	for _, e := range k.Builds.All() {
		builds = append(builds, e.Value)
	}
	wanted := map[string]Target{}
	for _, target := range Targets(t, builds) {
		wanted[target.Key()] = target
	}
	return wanted, true
}

// adjust stops the copiers whose target changed or is no longer wanted, and starts the missing ones. One target's copiers never overlap: both would write its key.
func (k *Keeper) adjust(ctx context.Context, group *sync.WaitGroup, copiers map[string]running, wanted map[string]Target) {
	for key, c := range copiers {
		if !c.target.equal(wanted[key]) {
			c.stop()
			<-c.ended
			delete(copiers, key)
		}
	}
	for key, target := range wanted {
		if _, ok := copiers[key]; ok {
			continue
		}
		one, stop := context.WithCancel(ctx)
		c := running{target, stop, make(chan struct{})}
		copiers[key] = c
		group.Go(func() {
			defer close(c.ended)
			(&copier{Keeper: k, target: target}).run(one)
		})
	}
}
