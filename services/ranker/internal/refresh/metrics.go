package refresh

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Metrics are the ranker's own figures.
type Metrics struct {
	seconds  prometheus.Histogram
	failures prometheus.Counter
	rereads  prometheus.Counter
	lastGood *prometheus.GaugeVec
	eligible *prometheus.GaugeVec
	costs    *prometheus.GaugeVec
	bounds   *prometheus.GaugeVec

	mu sync.Mutex
	// topology is what each app's candidates that are shown belong to.
	topology map[string]string
}

// NewMetrics registers the figures.
func NewMetrics(registry *prometheus.Registry) *Metrics {
	m := &Metrics{
		topology: map[string]string{},
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "leeward_ranker_refresh_seconds", Help: "Time to rank one app and publish the ranking.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_ranker_refresh_failures_total", Help: "Refreshes of an app that did not end well."}),
		rereads: prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_ranker_rereads_total",
			Help: "Times that all samples of the window were read again, because others were held than stored."}),
		lastGood: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_last_good_timestamp_seconds", Help: "Time of the app's last good ranking, seconds since 1970: its age is time() minus this."},
			[]string{"app"}),
		eligible: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_candidates_eligible", Help: "Candidates that pass every gate when traffic is in the active region."},
			[]string{"app", "active"}),
	}
	candidate := []string{"app", "region", "variant"}
	m.costs = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_cost_seconds", Help: "Cost of a candidate in the app's last good ranking; absent without enough samples."}, candidate)
	m.bounds = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_ranker_cost_bound_seconds", Help: "Ends of the 95 % interval of a candidate's cost, low and high."}, append(candidate, "bound"))
	registry.MustRegister(m.seconds, m.failures, m.rereads, m.lastGood, m.eligible, m.costs, m.bounds)
	return m
}

func (m *Metrics) ranked(r schemas.Ranking, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	m.lastGood.WithLabelValues(r.App).Set(float64(r.At.UnixMilli()) / 1000)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topology[r.App] != r.Topology {
		m.clear(r.App)
		m.topology[r.App] = r.Topology
	}
	for _, o := range r.Orders {
		m.eligible.WithLabelValues(r.App, o.Active).Set(float64(len(rank.Eligible(o.Candidates))))
	}
	if len(r.Orders) == 0 {
		return
	}
	// What a candidate costs is the same wherever traffic is; what it may not do is not.
	for _, c := range r.Orders[0].Candidates {
		if !c.Enough {
			of := prometheus.Labels{"app": r.App, "region": c.Region, "variant": c.Variant}
			m.costs.Delete(of)
			m.bounds.DeletePartialMatch(of)
			continue
		}
		m.costs.WithLabelValues(r.App, c.Region, c.Variant).Set(c.CostMS / 1000)
		m.bounds.WithLabelValues(r.App, c.Region, c.Variant, "low").Set(c.LowMS / 1000)
		m.bounds.WithLabelValues(r.App, c.Region, c.Variant, "high").Set(c.HighMS / 1000)
	}
}

// lost counts a refresh that failed and hands its error on.
func (m *Metrics) lost(err error) error {
	m.failures.Inc()
	return err
}

// reread counts that everything was read again.
func (m *Metrics) reread() { m.rereads.Inc() }

func (m *Metrics) forget(app string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastGood.DeleteLabelValues(app)
	delete(m.topology, app)
	m.clear(app)
}

// clear removes what is known of an app's candidates: those of another topology may be gone. The lock is held.
func (m *Metrics) clear(app string) {
	for _, gauge := range []*prometheus.GaugeVec{m.eligible, m.costs, m.bounds} {
		gauge.DeletePartialMatch(prometheus.Labels{"app": app})
	}
}
