package pilot

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/schemas"
)

// Meter counts what pilots do.
type Meter struct {
	plans  *prometheus.CounterVec
	phases *prometheus.HistogramVec
	leases *prometheus.GaugeVec
	epochs *prometheus.GaugeVec
	drifts *prometheus.CounterVec
}

// NewMeter makes the metrics and registers them.
func NewMeter(r *prometheus.Registry) *Meter {
	m := &Meter{
		plans: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_failover_plans_total", Help: "Plans that ended, refused ones included."},
			[]string{"app", "state", "trigger"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "leeward_failover_phase_seconds",
			Help:    "Parts of the delay of plans: detect (first down verdict to quorum), decide, shift, verify.",
			Buckets: []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"phase"}),
		leases: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_failover_lease_held", Help: "Whether this actuator may act for the app."}, []string{"app"}),
		epochs: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_failover_epoch", Help: "The epoch of the app's route, its term and its number."},
			[]string{"app", "part"}),
		drifts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_failover_drifts_total", Help: "Times a target had other weights than the route's."},
			[]string{"app", "target"}),
	}
	r.MustRegister(m.plans, m.phases, m.leases, m.epochs, m.drifts)
	return m
}

func (m *Meter) held(app string, held bool) {
	value := 0.0
	if held {
		value = 1
	}
	m.leases.WithLabelValues(app).Set(value)
}

func (m *Meter) epoch(app string, e schemas.Epoch) {
	m.epochs.WithLabelValues(app, "term").Set(float64(e.Term))
	m.epochs.WithLabelValues(app, "number").Set(float64(e.N))
}

func (m *Meter) drift(app, target string) { m.drifts.WithLabelValues(app, target).Inc() }

// ended counts a plan and the parts of its delay that it has.
func (m *Meter) ended(p schemas.Plan) {
	m.plans.WithLabelValues(p.App, string(p.State), p.Trigger).Inc()
	for _, phase := range []struct {
		name     string
		from, to time.Time
	}{
		{"detect", p.Times.FirstDownAt, p.Times.QuorumAt},
		{"decide", p.Times.QuorumAt, p.Times.PlannedAt},
		{"shift", p.Times.PlannedAt, p.Times.ShiftedAt},
		{"verify", p.Times.ShiftedAt, p.Times.VerifiedAt},
	} {
		if !phase.from.IsZero() && !phase.to.IsZero() {
			m.phases.WithLabelValues(phase.name).Observe(phase.to.Sub(phase.from).Seconds())
		}
	}
}
