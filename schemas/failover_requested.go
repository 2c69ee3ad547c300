package schemas

import "time"

// FailoverRequested is a person's wish to move an app, with a reason.
type FailoverRequested struct {
	// Request is the id under which the request can be followed; the same id twice is one request.
	Request string `json:"request"`
	App     string `json:"app"`
	// To names the region, and may name the variant; empty leaves the choice to the ranking.
	To     Candidate `json:"to"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// FailoverRequestedTopic is published by the gateway.
var FailoverRequestedTopic = Topic[FailoverRequested]{Contract{
	Name: "leeward.failover.requested.v1", Stream: Events, Producer: Gateway, Readers: []Service{Actuator},
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "A person asked to move an app.",
}}

// Validate reports every field that is not well formed.
func (e FailoverRequested) Validate() error {
	var c check
	c.text("request", e.Request)
	c.name("app", e.App)
	c.optionalName("to.region", e.To.Region)
	c.optionalName("to.variant", e.To.Variant)
	c.text("actor", e.Actor)
	c.text("reason", e.Reason)
	c.time("at", e.At)
	return c.err()
}

// Key is the app.
func (e FailoverRequested) Key() []string { return []string{e.App} }

// Identity is the request's id.
func (e FailoverRequested) Identity() string { return "request:" + e.App + ":" + e.Request }
