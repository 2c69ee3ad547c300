package schemas

import "time"

// DrillFinished is the report of a drill: a failover on purpose, through the same code path as any other.
type DrillFinished struct {
	App   string    `json:"app"`
	Drill string    `json:"drill"`
	Plan  string    `json:"plan"`
	Actor string    `json:"actor"`
	From  Candidate `json:"from"`
	To    Candidate `json:"to"`
	// Passed says whether the drill reached what it was to show; Reason says why it did not.
	Passed bool   `json:"passed"`
	Reason string `json:"reason,omitempty"`
	// ShiftSeconds is the time from the decision to the first request in the new region.
	ShiftSeconds float64 `json:"shift_seconds"`
	// FailedRequests are those that failed meanwhile, as the vantages saw it.
	FailedRequests uint64    `json:"failed_requests"`
	At             time.Time `json:"at"`
}

// DrillFinishedTopic is the failover-actuator's to publish, once per drill.
var DrillFinishedTopic = Topic[DrillFinished]{Contract{
	Name: "leeward.drill.finished.v1", Stream: Events, Producer: Actuator,
	Deliver: DeliverAll, ActWithin: 24 * time.Hour, Doc: "A drill ended. Nobody publishes it yet; the recorder can read it.",
}}

// Validate reports every field that is not well formed.
func (e DrillFinished) Validate() error {
	var c check
	c.name("app", e.App)
	c.text("drill", e.Drill)
	c.text("plan", e.Plan)
	c.candidate("to", e.To)
	c.that(e.ShiftSeconds >= 0, "shift_seconds %g is negative", e.ShiftSeconds)
	c.time("at", e.At)
	return c.err()
}

// Key is the app.
func (e DrillFinished) Key() []string { return []string{e.App} }

// Identity is the drill's id.
func (e DrillFinished) Identity() string { return "drill:" + e.Drill }
