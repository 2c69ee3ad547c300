package meter

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// cells are the metrics of what the topology has measured. They name what it names now and nothing else: a series of an endpoint that is gone would look like one that fell silent.
type cells struct {
	samples *prometheus.CounterVec
	latency *prometheus.HistogramVec
	phases  *prometheus.CounterVec
	last    *prometheus.GaugeVec
	health  *prometheus.GaugeVec

	mu      sync.Mutex
	targets map[cell]bool
	regions map[[2]string]bool
}

// cell is what a sample belongs to, beside the vantage.
type cell struct{ app, region, variant, kind string }

func (c cell) values() []string { return []string{c.app, c.region, c.variant, c.kind} }

func newCells(r prometheus.Registerer, own prometheus.Labels) *cells {
	labels := []string{"app", "region", "variant", "kind"}
	c := &cells{
		samples: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_prober_samples_total", Help: "Measurements by how they ended; outcome ok is an answer.", ConstLabels: own},
			append(labels, "outcome")),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "leeward_prober_latency_seconds", Help: "Time from when an answered probe was due to the end of its answer; those without an answer are in leeward_prober_samples_total only.",
			ConstLabels: own, Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}, labels),
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_prober_phase_seconds_total", Help: "Time that answered probes spent in each phase: dns, connect, tls, write, first_byte, transfer.",
			ConstLabels: own}, append(labels, "phase")),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_prober_last_sample_timestamp_seconds", Help: "When the latest measurement was due, seconds since 1970, however it ended.",
			ConstLabels: own}, labels),
		health: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_prober_health", Help: "The vantage's verdict of the app in the region: 1 at up, degraded, down or blind, 0 at the others.",
			ConstLabels: own}, []string{"app", "region", "health"}),
		targets: map[cell]bool{}, regions: map[[2]string]bool{},
	}
	r.MustRegister(c.samples, c.latency, c.phases, c.last, c.health)
	return c
}

// Follow makes the wanted cells the ones that are shown.
func (c *cells) Follow(wanted []target.Cell) {
	targets, regions := map[cell]bool{}, map[[2]string]bool{}
	for _, w := range wanted {
		regions[[2]string{w.App, w.Region}] = true
		for _, t := range w.Targets {
			targets[cell{t.App, t.Region, t.Variant, t.Kind.String()}] = true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range targets {
		c.samples.WithLabelValues(append(t.values(), schemas.OK.String())...)
	}
	for old := range c.targets {
		if !targets[old] {
			gone := prometheus.Labels{"app": old.app, "region": old.region, "variant": old.variant, "kind": old.kind}
			c.samples.DeletePartialMatch(gone)
			c.latency.DeletePartialMatch(gone)
			c.phases.DeletePartialMatch(gone)
			c.last.DeletePartialMatch(gone)
		}
	}
	for old := range c.regions {
		if !regions[old] {
			c.health.DeletePartialMatch(prometheus.Labels{"app": old[0], "region": old[1]})
		}
	}
	c.targets, c.regions = targets, regions
}

// sample counts a measurement of a cell that is shown; the last ones of a cell that is gone are passed over.
func (c *cells) sample(s schemas.Sample) {
	of := cell{s.App, s.Region, s.Variant, s.Kind.String()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.targets[of] {
		return
	}
	labels := of.values()
	c.samples.WithLabelValues(append(labels, s.Outcome.String())...).Inc()
	c.last.WithLabelValues(labels...).Set(float64(s.DueUS) / 1e6)
	if s.Outcome != schemas.OK {
		return
	}
	c.latency.WithLabelValues(labels...).Observe(seconds(s.LatencyUS))
	for phase, us := range map[string]uint32{"dns": s.DNSUS, "connect": s.ConnectUS, "tls": s.TLSUS, "write": s.WriteUS, "first_byte": s.FirstByteUS, "transfer": s.TransferUS} {
		if us > 0 {
			c.phases.WithLabelValues(append(labels, phase)...).Add(seconds(us))
		}
	}
}

// Judged shows a verdict.
func (c *cells) Judged(app, region string, health schemas.Health) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.regions[[2]string{app, region}] {
		return
	}
	for _, h := range []schemas.Health{schemas.Up, schemas.Degraded, schemas.Down, schemas.Blind} {
		c.health.WithLabelValues(app, region, string(h)).Set(truth(h == health))
	}
}
