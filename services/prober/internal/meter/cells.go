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
	targets map[cell]*series
	regions map[[2]string]bool
}

// cell is what a sample belongs to, beside the vantage.
type cell struct {
	app, region, variant string
	kind                 schemas.Kind
}

func (c cell) values() []string { return []string{c.app, c.region, c.variant, c.kind.String()} }

// series are the metrics of a cell that were asked for once, since looking them up by their labels takes longer than a probe may. Those that most cells never have are made when they are needed.
type series struct {
	ok      prometheus.Counter
	last    prometheus.Gauge
	latency prometheus.Observer
	phases  [6]prometheus.Counter
	// total, success and latencyUS are the same for Cloudprober.
	total, success, latencyUS uint64
}

// phaseNames are the phases in the order of a series.
var phaseNames = [6]string{"dns", "connect", "tls", "write", "first_byte", "transfer"}

// healths are the judgements that are shown of a region.
var healths = [4]schemas.Health{schemas.Up, schemas.Degraded, schemas.Down, schemas.Blind}

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
		targets: map[cell]*series{}, regions: map[[2]string]bool{},
	}
	r.MustRegister(c.samples, c.latency, c.phases, c.last, c.health)
	return c
}

// Follow makes the wanted cells the ones that are shown.
func (c *cells) Follow(wanted []target.Cell) {
	targets, regions := map[cell]*series{}, map[[2]string]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range wanted {
		regions[[2]string{w.App, w.Region}] = true
		for _, t := range w.Targets {
			of := cell{t.App, t.Region, t.Variant, t.Kind}
			if targets[of] = c.targets[of]; targets[of] == nil {
				targets[of] = &series{ok: c.samples.WithLabelValues(append(of.values(), schemas.OK.String())...)}
			}
		}
	}
	for old := range c.targets {
		if targets[old] == nil {
			c.forget(old)
		}
	}
	for old := range c.regions {
		if !regions[old] {
			for _, h := range healths {
				c.health.DeleteLabelValues(old[0], old[1], string(h))
			}
		}
	}
	c.targets, c.regions = targets, regions
}

// forget takes out each series that a cell can have by its name: to look for them among those of ten thousand others would hold up the measurements for seconds.
func (c *cells) forget(of cell) {
	for o := schemas.OK; o <= schemas.OtherError; o++ {
		c.samples.DeleteLabelValues(append(of.values(), o.String())...)
	}
	c.latency.DeleteLabelValues(of.values()...)
	c.last.DeleteLabelValues(of.values()...)
	for _, phase := range phaseNames {
		c.phases.DeleteLabelValues(append(of.values(), phase)...)
	}
}

// sample counts a measurement of a cell that is shown; the last ones of a cell that is gone are passed over.
func (c *cells) sample(s schemas.Sample) {
	of := cell{s.App, s.Region, s.Variant, s.Kind}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.targets[of]
	if t == nil {
		return
	}
	if t.last == nil {
		t.last = c.last.WithLabelValues(of.values()...)
	}
	t.last.Set(float64(s.DueUS) / 1e6)
	t.total++
	if s.Outcome != schemas.OK {
		c.samples.WithLabelValues(append(of.values(), s.Outcome.String())...).Inc()
		return
	}
	t.ok.Inc()
	t.success++
	t.latencyUS += uint64(s.LatencyUS)
	if t.latency == nil {
		t.latency = c.latency.WithLabelValues(of.values()...)
	}
	t.latency.Observe(seconds(s.LatencyUS))
	for i, us := range [6]uint32{s.DNSUS, s.ConnectUS, s.TLSUS, s.WriteUS, s.FirstByteUS, s.TransferUS} {
		if us == 0 {
			continue
		}
		if t.phases[i] == nil {
			t.phases[i] = c.phases.WithLabelValues(append(of.values(), phaseNames[i])...)
		}
		t.phases[i].Add(seconds(us))
	}
}

// Judged shows a verdict.
func (c *cells) Judged(app, region string, health schemas.Health) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.regions[[2]string{app, region}] {
		return
	}
	for _, h := range healths {
		c.health.WithLabelValues(app, region, string(h)).Set(truth(h == health))
	}
}
