package schemas

import (
	"fmt"
	"time"
)

// HealthChanged says that one vantage now judges one app in one region differently.
type HealthChanged struct {
	Vantage  string    `json:"vantage"`
	App      string    `json:"app"`
	Region   string    `json:"region"`
	From     Health    `json:"from"`
	To       Health    `json:"to"`
	Round    uint64    `json:"round"`
	Reason   string    `json:"reason,omitempty"`
	Topology string    `json:"topology"`
	At       time.Time `json:"at"`
}

// HealthChangedTopic is published by each prober, on subjects that end in its own vantage.
var HealthChangedTopic = Topic[HealthChanged]{Contract{
	Name: "leeward.health.changed.v1", Stream: Events, Producer: Prober,
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "A vantage judges a region differently than before.",
}}

// Validate reports every field that is not well formed.
func (e HealthChanged) Validate() error {
	var c check
	c.name("vantage", e.Vantage)
	c.name("app", e.App)
	c.name("region", e.Region)
	c.that(e.From.Valid(), "from %q is not a state of health", e.From)
	c.that(e.To.Valid(), "to %q is not a state of health", e.To)
	c.time("at", e.At)
	return c.err()
}

// Key is the app, the region and last the vantage, which the prober's permissions pin.
func (e HealthChanged) Key() []string { return []string{e.App, e.Region, e.Vantage} }

// Identity is the vantage, the cell, the new state and the round it was reached in.
func (e HealthChanged) Identity() string {
	return fmt.Sprintf("health:%s:%s:%s:%s:%d:%d", e.Vantage, e.App, e.Region, e.To, e.Round, e.At.UnixMicro())
}
