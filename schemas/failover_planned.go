package schemas

import "time"

// FailoverPlanned is a decision: the plan, or why there is none, with every candidate and every gate it was weighed by.
type FailoverPlanned struct {
	Plan Plan      `json:"plan"`
	At   time.Time `json:"at"`
}

// FailoverPlannedTopic is published by the failover-actuator for every decision, a refusal included.
var FailoverPlannedTopic = Topic[FailoverPlanned]{Contract{
	Name: "leeward.failover.planned.v1", Stream: Events, Producer: Actuator,
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "A failover was decided or refused.",
}}

// Validate reports every field that is not well formed.
func (e FailoverPlanned) Validate() error {
	var c check
	c.time("at", e.At)
	if err := e.Plan.Validate(); err != nil {
		c.failf("plan: %w", err)
	}
	return c.err()
}

// Key is the app.
func (e FailoverPlanned) Key() []string { return []string{e.Plan.App} }

// Identity is the plan's id and state.
func (e FailoverPlanned) Identity() string {
	return "planned:" + e.Plan.ID + ":" + string(e.Plan.State)
}
