package schemas

import "time"

// FailoverRequested is a person's wish to move an app, with a reason, or to know what moving it would come to.
type FailoverRequested struct {
	// Request is the id under which the request can be followed; the same id twice is one request.
	Request string `json:"request"`
	App     string `json:"app"`
	// To names the region, and may name the variant; empty leaves the choice to the ranking.
	To     Candidate `json:"to"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	// Force insists on a named region although gates of it fail.
	Force bool `json:"force,omitempty"`
	// DryRun asks what would be done: a plan in state previewed, and nothing else.
	DryRun bool `json:"dry_run,omitempty"`
	// Lost is a region that a dry run supposes to be lost.
	Lost string    `json:"lost,omitempty"`
	At   time.Time `json:"at"`
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
	c.that(!e.Force || e.To.Region != "", "force without a region: it insists on a place, not on a choice")
	c.optionalName("lost", e.Lost)
	c.that(e.Lost == "" || e.DryRun, "only a dry run supposes that a region is lost")
	c.text("actor", e.Actor)
	// A dry run has no reason: who does not know of dry runs yet rejects it for that, rather than move traffic.
	c.that(e.DryRun || e.Reason != "", "reason is empty")
	c.time("at", e.At)
	return c.err()
}

// Key is the app.
func (e FailoverRequested) Key() []string { return []string{e.App} }

// Identity is the request's id.
func (e FailoverRequested) Identity() string { return "request:" + e.App + ":" + e.Request }
