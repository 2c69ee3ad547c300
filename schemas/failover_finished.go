package schemas

import "time"

// FailoverFinished is how a plan ended, with the parts of its delay.
type FailoverFinished struct {
	App     string    `json:"app"`
	Plan    string    `json:"plan"`
	Epoch   Epoch     `json:"epoch"`
	Trigger string    `json:"trigger"`
	From    Candidate `json:"from"`
	To      Candidate `json:"to"`
	// State is finished, rolled_back or failed.
	State  PlanState `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Times  PlanTimes `json:"times"`
	At     time.Time `json:"at"`
}

// FailoverFinishedTopic is published by the failover-actuator once per plan.
var FailoverFinishedTopic = Topic[FailoverFinished]{Contract{
	Name: "leeward.failover.finished.v1", Stream: Events, Producer: Actuator,
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "A failover ended.",
}}

// Validate reports every field that is not well formed.
func (e FailoverFinished) Validate() error {
	var c check
	c.name("app", e.App)
	c.text("plan", e.Plan)
	c.candidate("to", e.To)
	c.that(e.State.Ended(), "state %q is not an end", e.State)
	c.time("at", e.At)
	return c.err()
}

// Key is the app.
func (e FailoverFinished) Key() []string { return []string{e.App} }

// Identity is the plan's id and its end.
func (e FailoverFinished) Identity() string { return "finished:" + e.Plan + ":" + string(e.State) }
