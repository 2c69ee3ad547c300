package schemas

import (
	"fmt"
	"time"
)

// RankingChanged says that the order of an app's candidates, or who of them is eligible, is no longer the same for an active region.
type RankingChanged struct {
	App    string      `json:"app"`
	Active string      `json:"active"`
	Order  []Candidate `json:"order"`
	// Eligible are the candidates of the order that pass every gate.
	Eligible []Candidate `json:"eligible"`
	// Choice is where traffic would go, Reason why that has changed or is not what the newest window alone says.
	Choice   Candidate `json:"choice,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	Topology string    `json:"topology"`
	At       time.Time `json:"at"`
}

// RankingChangedTopic is published by the ranker when an order or an eligibility changes.
var RankingChangedTopic = Topic[RankingChanged]{Contract{
	Name: "leeward.ranking.changed.v1", Stream: Events, Producer: Ranker,
	Deliver: DeliverAll, ActWithin: 5 * time.Minute, Doc: "The order of an app's candidates changed.",
}}

// Validate reports every field that is not well formed.
func (e RankingChanged) Validate() error {
	var c check
	c.name("app", e.App)
	c.name("active", e.Active)
	for _, k := range e.Order {
		c.candidate("order", k)
	}
	for _, k := range e.Eligible {
		c.candidate("eligible", k)
	}
	if e.Choice != (Candidate{}) {
		c.candidate("choice", e.Choice)
	}
	c.time("at", e.At)
	return c.err()
}

// Key is the app and the active region the order holds for.
func (e RankingChanged) Key() []string { return []string{e.App, e.Active} }

// Identity is the app, the active region and the time.
func (e RankingChanged) Identity() string {
	return fmt.Sprintf("ranking:%s:%s:%d", e.App, e.Active, e.At.UnixMicro())
}
