package schemas

import (
	"fmt"
	"time"
)

// FailoverStepped says that one step of a plan ended.
type FailoverStepped struct {
	App  string      `json:"app"`
	Plan string      `json:"plan"`
	Step JournalStep `json:"step"`
	// Number counts the steps from 0.
	Number int       `json:"number"`
	Epoch  Epoch     `json:"epoch"`
	At     time.Time `json:"at"`
}

// FailoverSteppedTopic is published by the failover-actuator after each step.
var FailoverSteppedTopic = Topic[FailoverStepped]{Contract{
	Name: "leeward.failover.stepped.v1", Stream: Events, Producer: Actuator,
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "A step of a failover ended.",
}}

// Validate reports every field that is not well formed.
func (e FailoverStepped) Validate() error {
	var c check
	c.name("app", e.App)
	c.text("plan", e.Plan)
	c.text("step.name", e.Step.Name)
	c.time("at", e.At)
	return c.err()
}

// Key is the app.
func (e FailoverStepped) Key() []string { return []string{e.App} }

// Identity is the plan's step and how it ended.
func (e FailoverStepped) Identity() string {
	return fmt.Sprintf("stepped:%s:%d:%s", e.Plan, e.Number, e.Step.Result)
}
