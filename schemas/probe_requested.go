package schemas

import "time"

// ProbeRequested asks every vantage to look at an app's region at once.
type ProbeRequested struct {
	Incident string    `json:"incident"`
	App      string    `json:"app"`
	Region   string    `json:"region"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// ProbeRequestedTopic is published by the failover-actuator; every vantage has a durable reader of its own.
var ProbeRequestedTopic = Topic[ProbeRequested]{Contract{
	Name: "leeward.probe.requested.v1", Stream: Events, Producer: Actuator, Readers: []Service{Prober},
	Deliver: DeliverNew, ActWithin: 5 * time.Second, Doc: "Every vantage is asked to look at a region at once.",
}}

// Validate reports every field that is not well formed.
func (e ProbeRequested) Validate() error {
	var c check
	c.text("incident", e.Incident)
	c.name("app", e.App)
	c.name("region", e.Region)
	c.time("at", e.At)
	return c.err()
}

// Key is the app and the region.
func (e ProbeRequested) Key() []string { return []string{e.App, e.Region} }

// Identity is the incident and the time it asked at.
func (e ProbeRequested) Identity() string {
	return "probe:" + e.Incident + ":" + e.Region + ":" + e.At.UTC().Format(time.RFC3339Nano)
}
