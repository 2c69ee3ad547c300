package detect

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
)

// metrics are the figures of the detection.
type metrics struct {
	open         *prometheus.GaugeVec
	lag          prometheus.Histogram
	failures     prometheus.Counter
	alertmanager prometheus.Counter
}

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_anomalies_open", Help: "Anomalies that last, by what their cells have in common: the dimensions, as region or region+vantage, or everything."}, []string{"scope"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "leeward_ranker_anomaly_lag_seconds", Help: "Time from the start of the minute in which cells became worse until that was found.",
			Buckets: []float64{120, 180, 240, 300, 360, 420, 600, 900, 1800}}),
		failures:     prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_ranker_anomaly_failures_total", Help: "Looks for anomalies that did not end well."}),
		alertmanager: prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_ranker_alertmanager_failures_total", Help: "Rounds in which Alertmanager could not be told of the anomalies."}),
	}
	registry.MustRegister(m.open, m.lag, m.failures, m.alertmanager)
	m.looked(nil, nil)
	return m
}

// looked notes what is open after a look, and what began in it.
func (m *metrics) looked(open, told []schemas.AnomalyDetected) {
	m.open.Reset()
	for _, usual := range []string{"everything", "region", "vantage", "region+vantage"} {
		m.open.WithLabelValues(usual) // 0 is an answer, too
	}
	for _, e := range open {
		m.open.WithLabelValues(dimensions(e.Scope)).Inc()
	}
	for _, e := range told {
		if e.State == schemas.AnomalyBegan {
			m.lag.Observe(e.DetectedAt.Sub(e.Since).Seconds())
		}
	}
}

// dimensions names what a scope holds fast, not of whom.
func dimensions(s schemas.AnomalyScope) string {
	var names []string
	for _, d := range []struct{ name, value string }{{"region", s.Region}, {"vantage", s.Vantage}, {"app", s.App}, {"variant", s.Variant}, {"kind", s.Kind}} {
		if d.value != "" {
			names = append(names, d.name)
		}
	}
	if len(names) == 0 {
		return "everything"
	}
	return strings.Join(names, "+")
}
