// Package meter counts what the prober does, for its /metrics.
package meter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
)

// Meter holds the prober's metrics.
type Meter struct {
	samples       *prometheus.CounterVec
	late          prometheus.Histogram
	MissedRounds  prometheus.Counter
	WritesFailed  prometheus.Counter
	PublishErrors prometheus.Counter
}

// New registers the metrics; spool says how full the spool is and how many batches it lost.
func New(r prometheus.Registerer, spool func() (batches int, bytes int64, dropped int)) *Meter {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_prober_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &Meter{
		samples: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_prober_samples_total", Help: "Measurements by kind and outcome."}, []string{"kind", "outcome"}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "leeward_prober_late_seconds", Help: "How long after its due time a probe was sent.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1}}),
		MissedRounds:  counter("rounds_missed_total", "Rounds passed over because the process stood still or the clock was set."),
		WritesFailed:  counter("verdict_writes_failed_total", "Verdicts, presences and changes of health that could not be written in time."),
		PublishErrors: counter("publish_errors_total", "Attempts to publish a batch that failed; each is tried again."),
	}
	r.MustRegister(m.samples, m.late,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leeward_prober_spool_batches", Help: "Batches that wait for the bus to acknowledge them."},
			func() float64 { batches, _, _ := spool(); return float64(batches) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leeward_prober_spool_bytes", Help: "Size of the batches that wait."},
			func() float64 { _, bytes, _ := spool(); return float64(bytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "leeward_prober_dropped_batches_total", Help: "Batches lost because the spool was full or a file damaged."},
			func() float64 { _, _, dropped := spool(); return float64(dropped) }))
	return m
}

// Sample counts a measurement.
func (m *Meter) Sample(s schemas.Sample) {
	m.samples.WithLabelValues(s.Kind.String(), s.Outcome.String()).Inc()
	m.late.Observe((time.Duration(s.LateUS) * time.Microsecond).Seconds())
}

// lags collects how far databases are behind, as it is when somebody asks.
type lags struct {
	desc *prometheus.Desc
	each func(func(app, region string, lag time.Duration))
}

// Lags registers the gauge of replication lag; each calls back with every region's.
func Lags(r prometheus.Registerer, each func(func(app, region string, lag time.Duration))) {
	r.MustRegister(lags{prometheus.NewDesc("leeward_prober_replication_lag_seconds",
		"How far the region's database is behind the last heartbeat that the primary acknowledged to this vantage; the largest of all vantages counts. It stays while the primary is gone, and is absent while it is not known.",
		[]string{"app", "region"}, nil), each})
}

// Describe tells what is collected.
func (l lags) Describe(out chan<- *prometheus.Desc) { out <- l.desc }

// Collect sends a value for each region whose lag is known.
func (l lags) Collect(out chan<- prometheus.Metric) {
	l.each(func(app, region string, lag time.Duration) {
		out <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, lag.Seconds(), app, region)
	})
}
