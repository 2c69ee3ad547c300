// Package meter counts what the prober does and what it sees, for its /metrics.
package meter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
)

// Meter holds the prober's metrics. Every one that rules look at carries the vantage.
type Meter struct {
	late          prometheus.Histogram
	MissedRounds  prometheus.Counter
	WritesFailed  prometheus.Counter
	PublishErrors prometheus.Counter
	Refused       prometheus.Counter

	*cells
	sighted, anchors, reachable, saturated prometheus.Gauge
}

// New registers the metrics of a vantage; spool says how full the spool is and how many batches it lost.
func New(r prometheus.Registerer, vantage string, spool func() (batches int, bytes int64, dropped int)) *Meter {
	own := prometheus.Labels{"vantage": vantage}
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Name: "leeward_prober_" + name, Help: help, ConstLabels: own}
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help)))
		r.MustRegister(g)
		return g
	}
	m := &Meter{
		late: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "leeward_prober_late_seconds", Help: "How long after its due time a probe was sent.", ConstLabels: own,
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1}}),
		MissedRounds:  counter("rounds_missed_total", "Rounds passed over because the process stood still or the clock was set."),
		WritesFailed:  counter("verdict_writes_failed_total", "Verdicts, presences and changes of health that could not be written in time."),
		PublishErrors: counter("publish_errors_total", "Attempts to publish a batch that failed; each is tried again."),
		Refused:       counter("refused_total", "Measurements that were not made because the guard does not let the prober reach the address, or not that often."),
		sighted:       gauge("sighted", "Whether enough anchors answered in the latest round; a vantage that is not sighted accuses no region."),
		anchors:       gauge("anchors", "Anchors that the topology gives the vantage."),
		reachable:     gauge("anchors_reachable", "Anchors that answered in the latest round."),
		saturated:     gauge("saturated", "Whether the prober was short of processor time in the last second; samples taken then say so."),
		cells:         newCells(r, own),
	}
	r.MustRegister(m.late,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("spool_batches", "Batches that wait for the bus to acknowledge them.")),
			func() float64 { batches, _, _ := spool(); return float64(batches) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("spool_bytes", "Size of the batches that wait.")),
			func() float64 { _, bytes, _ := spool(); return float64(bytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts(opts("dropped_batches_total", "Batches lost because the spool was full or a file damaged.")),
			func() float64 { _, _, dropped := spool(); return float64(dropped) }))
	return m
}

// Sample counts a measurement.
func (m *Meter) Sample(s schemas.Sample) {
	if s.Kind == schemas.KindDBLag {
		return // computed from a read that was counted; the lag has a gauge of its own
	}
	m.late.Observe(seconds(s.LateUS))
	m.cells.sample(s)
}

// Present says how many of the anchors answered, and whether that is enough to be believed.
func (m *Meter) Present(reachable, anchors int, sighted bool) {
	m.reachable.Set(float64(reachable))
	m.anchors.Set(float64(anchors))
	m.sighted.Set(truth(sighted))
}

// Strained says whether the prober is short of processor time.
func (m *Meter) Strained(saturated bool) { m.saturated.Set(truth(saturated)) }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(us uint32) float64 { return float64(us) / 1e6 }

// lags collects how far databases are behind, as it is when somebody asks.
type lags struct {
	desc *prometheus.Desc
	each func(func(app, region string, lag time.Duration))
}

// Lags registers the gauge of replication lag of a vantage; each calls back with every region's.
func Lags(r prometheus.Registerer, vantage string, each func(func(app, region string, lag time.Duration))) {
	r.MustRegister(lags{prometheus.NewDesc("leeward_prober_replication_lag_seconds",
		"How far the region's database is behind the last heartbeat that the primary acknowledged to this vantage; the largest of all vantages counts. It stays while the primary is gone, and is absent while it is not known.",
		[]string{"app", "region"}, prometheus.Labels{"vantage": vantage}), each})
}

// Describe tells what is collected.
func (l lags) Describe(out chan<- *prometheus.Desc) { out <- l.desc }

// Collect sends a value for each region whose lag is known.
func (l lags) Collect(out chan<- prometheus.Metric) {
	l.each(func(app, region string, lag time.Duration) {
		out <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, lag.Seconds(), app, region)
	})
}
