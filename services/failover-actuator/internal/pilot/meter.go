package pilot

import (
	"sync"
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
	active *prometheus.GaugeVec
	busy   *prometheus.GaugeVec

	mu sync.Mutex
	// shown is the active candidate of each app as it is shown.
	shown map[string]schemas.Candidate
}

// NewMeter makes the metrics and registers them.
func NewMeter(r *prometheus.Registry) *Meter {
	m := &Meter{
		shown: map[string]schemas.Candidate{},
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
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_failover_active", Help: "1 at the candidate that the app's route sends traffic to."},
			[]string{"app", "region", "variant"}),
		busy: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_failover_plans_running", Help: "Plans that are being carried out."}, []string{"app"}),
	}
	r.MustRegister(m.plans, m.phases, m.leases, m.epochs, m.drifts, m.active, m.busy)
	return m
}

// begin shows an app's counters before anything happens, so that the first time it does is seen as an increase.
func (m *Meter) begin(app string) {
	for _, state := range []schemas.PlanState{schemas.PlanRefused, schemas.PlanFinished, schemas.PlanRolledBack, schemas.PlanFailed} {
		for _, trigger := range []string{schemas.TriggerAlert, schemas.TriggerVerdicts, schemas.TriggerRequest} {
			m.plans.WithLabelValues(app, string(state), trigger)
		}
	}
	m.busy.WithLabelValues(app).Set(0)
}

// forget removes what an app is shown to be; its counters stay.
func (m *Meter) forget(app string) {
	for _, gauge := range []*prometheus.GaugeVec{m.leases, m.epochs, m.active, m.busy} {
		gauge.DeletePartialMatch(prometheus.Labels{"app": app})
	}
}

func (m *Meter) held(app string, held bool) {
	value := 0.0
	if held {
		value = 1
	}
	m.leases.WithLabelValues(app).Set(value)
}

// route shows where an app's traffic goes and by which epoch.
func (m *Meter) route(r schemas.Route) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epochs.WithLabelValues(r.App, "term").Set(float64(r.Epoch.Term))
	m.epochs.WithLabelValues(r.App, "number").Set(float64(r.Epoch.N))
	if last, ok := m.shown[r.App]; ok && last != r.Active {
		m.active.DeleteLabelValues(r.App, last.Region, last.Variant)
	}
	m.shown[r.App] = r.Active
	m.active.WithLabelValues(r.App, r.Active.Region, r.Active.Variant).Set(1)
}

// looked counts a look at a target's weights.
func (m *Meter) looked(app, target string, drifted bool) {
	drifts := m.drifts.WithLabelValues(app, target)
	if drifted {
		drifts.Inc()
	}
}

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
