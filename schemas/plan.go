package schemas

import "time"

// PlanState is how far a plan has come.
type PlanState string

// The states of a plan. Refused, previewed, finished, rolled_back and failed are ends.
const (
	PlanRefused PlanState = "refused"
	// PlanPreviewed is a plan that someone asked to see: it is never carried out and takes no epoch.
	PlanPreviewed  PlanState = "previewed"
	PlanPlanned    PlanState = "planned"
	PlanRunning    PlanState = "running"
	PlanFinished   PlanState = "finished"
	PlanRolledBack PlanState = "rolled_back"
	PlanFailed     PlanState = "failed"
)

// Ended says whether nothing more will happen under the plan.
func (s PlanState) Ended() bool {
	return s == PlanRefused || s == PlanPreviewed || s == PlanFinished || s == PlanRolledBack || s == PlanFailed
}

// What started a failover.
const (
	TriggerAlert    = "alert"
	TriggerVerdicts = "verdicts"
	TriggerRequest  = "request"
)

// Plan is what a failover will do, step by step, with every gate result it was decided by, and what has been done of it.
type Plan struct {
	ID       string `json:"id"`
	App      string `json:"app"`
	Incident string `json:"incident"`
	// Trigger is alert, verdicts or request.
	Trigger string    `json:"trigger"`
	Reason  string    `json:"reason"`
	Actor   string    `json:"actor,omitempty"`
	From    Candidate `json:"from"`
	// To is empty in a refused plan, and in a preview of one.
	To Candidate `json:"to,omitzero"`
	// Forced says that a person insisted although gates failed; the reason names them.
	Forced bool `json:"forced,omitempty"`
	// Supposed is the region that a preview supposes to be lost.
	Supposed string    `json:"supposed,omitempty"`
	Epoch    Epoch     `json:"epoch"`
	State    PlanState `json:"state"`
	Topology string    `json:"topology"`
	// RankingAt is the time of the ranking the choice was made from.
	RankingAt  time.Time       `json:"ranking_at,omitzero"`
	Candidates []PlanCandidate `json:"candidates"`
	// Quorum is what each vantage said of the region that was left.
	Quorum []QuorumVote `json:"quorum"`
	// Journal is the steps in order, each with how it went so far.
	Journal []JournalStep `json:"journal"`
	Times   PlanTimes     `json:"times"`
	At      time.Time     `json:"at"`
}

// PlanCandidate is a candidate as the decision saw it.
type PlanCandidate struct {
	RankedCandidate
	Chosen bool `json:"chosen"`
}

// QuorumVote is what one vantage said of the region in question.
type QuorumVote struct {
	Vantage string    `json:"vantage"`
	Health  Health    `json:"health"`
	At      time.Time `json:"at,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// JournalStep is one step and how it went. A step is written before it is tried and after it ended, so that a restart knows what may have happened.
type JournalStep struct {
	// Name is fence, shift, bake, verify, rollback or record.
	Name   string `json:"name"`
	Target string `json:"target,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Result is empty before the try, started during it, then applied, conflict, unknown, passed or failed.
	Result    string    `json:"result,omitempty"`
	Error     string    `json:"error,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// PlanTimes are the moments of a failover, all by the actuator's clock except FirstDownAt (the first accusing vantage's) and AlertAt (the gateway's).
type PlanTimes struct {
	AlertAt     time.Time `json:"alert_at,omitzero"`
	FirstDownAt time.Time `json:"first_down_at,omitzero"`
	QuorumAt    time.Time `json:"quorum_at,omitzero"`
	PlannedAt   time.Time `json:"planned_at,omitzero"`
	ShiftedAt   time.Time `json:"shifted_at,omitzero"`
	VerifiedAt  time.Time `json:"verified_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
}

// Validate reports every field that is not well formed.
func (p Plan) Validate() error {
	var c check
	c.text("id", p.ID)
	c.name("app", p.App)
	c.candidate("from", p.From)
	if p.State != PlanRefused && (p.State != PlanPreviewed || p.To != Candidate{}) {
		c.candidate("to", p.To)
	}
	switch p.Trigger {
	case TriggerAlert, TriggerVerdicts, TriggerRequest:
	default:
		c.failf("trigger %q is not alert, verdicts or request", p.Trigger)
	}
	switch p.State {
	case PlanRefused, PlanPreviewed, PlanPlanned, PlanRunning, PlanFinished, PlanRolledBack, PlanFailed:
	default:
		c.failf("state %q is not a state of a plan", p.State)
	}
	c.time("at", p.At)
	return c.err()
}

// PreviewID is the id of the plan that answers a dry run's request.
func PreviewID(request string) string { return "preview-" + request }

// Key is the app and the plan's id.
func (p Plan) Key() []string { return []string{p.App, p.ID} }
