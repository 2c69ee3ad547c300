package refresh

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Metrics are the ranker's own figures.
type Metrics struct {
	seconds  prometheus.Histogram
	failures prometheus.Counter
	lastGood *prometheus.GaugeVec
	eligible *prometheus.GaugeVec
}

// NewMetrics registers the figures.
func NewMetrics(registry *prometheus.Registry) *Metrics {
	m := &Metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "leeward_ranker_refresh_seconds", Help: "Time to rank one app and publish the ranking.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_ranker_refresh_failures_total", Help: "Refreshes of an app that did not end well."}),
		lastGood: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_last_good_timestamp_seconds", Help: "Time of the app's last good ranking, seconds since 1970: its age is time() minus this."},
			[]string{"app"}),
		eligible: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_candidates_eligible", Help: "Candidates that pass every gate when traffic is in the active region."},
			[]string{"app", "active"}),
	}
	registry.MustRegister(m.seconds, m.failures, m.lastGood, m.eligible)
	return m
}

func (m *Metrics) ranked(r schemas.Ranking, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	m.lastGood.WithLabelValues(r.App).Set(float64(r.At.UnixMilli()) / 1000)
	for _, o := range r.Orders {
		m.eligible.WithLabelValues(r.App, o.Active).Set(float64(len(rank.Eligible(o.Candidates))))
	}
}

// lost counts a refresh that failed and hands its error on.
func (m *Metrics) lost(err error) error {
	m.failures.Inc()
	return err
}

func (m *Metrics) forget(app string) {
	m.lastGood.DeleteLabelValues(app)
	m.eligible.DeletePartialMatch(prometheus.Labels{"app": app})
}
