package schemas

import "time"

// AlertReceived is one alert of one webhook call: a reason to look at a region, never a command.
type AlertReceived struct {
	Source      string `json:"source"`
	Fingerprint string `json:"fingerprint"`
	// Firing is the sender's own id of one firing of the alert, if it has one. Then two events are the same by it, and not by StartsAt.
	Firing string `json:"firing,omitempty"`
	// Status is firing or resolved.
	Status      string            `json:"status"`
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// StartsAt is when the alert began. Of a sender that does not say, it is when what it tells of happened, or when it told.
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at,omitzero"`
	// App and Region are empty when no label or rule maps the alert: it is shown, and nothing is guessed.
	App      string    `json:"app,omitempty"`
	Region   string    `json:"region,omitempty"`
	Verified string    `json:"verified"`
	At       time.Time `json:"at"`
}

// AlertReceivedTopic is published by the gateway, one event per alert.
var AlertReceivedTopic = Topic[AlertReceived]{Contract{
	Name: "leeward.alert.received.v1", Stream: Events, Producer: Gateway, Readers: []Service{Actuator},
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "An alert arrived from a monitoring system.",
}}

// Matched says whether the alert maps to an app's region.
func (e AlertReceived) Matched() bool { return e.App != "" && e.Region != "" }

// Validate reports every field that is not well formed.
func (e AlertReceived) Validate() error {
	var c check
	c.text("source", e.Source)
	c.text("fingerprint", e.Fingerprint)
	c.that(e.Status == "firing" || e.Status == "resolved", "status %q is neither firing nor resolved", e.Status)
	c.optionalName("app", e.App)
	c.optionalName("region", e.Region)
	c.text("verified", e.Verified)
	c.time("starts_at", e.StartsAt)
	c.time("at", e.At)
	return c.err()
}

// Key is the app and region, or two empty tokens for an unmatched alert.
func (e AlertReceived) Key() []string { return []string{e.App, e.Region} }

// Identity is the alert's fingerprint, start and status: senders repeat a firing alert, and one incident is one event.
// A firing with an id of its own may come to concern another region while it lasts, which is another event.
func (e AlertReceived) Identity() string {
	if e.Firing != "" {
		return "alert:" + e.Source + ":" + e.Firing + ":" + e.App + ":" + e.Region + ":" + e.Status
	}
	return "alert:" + e.Source + ":" + e.Fingerprint + ":" + e.StartsAt.UTC().Format(time.RFC3339Nano) + ":" + e.Status
}
