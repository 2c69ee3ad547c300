package schemas

import "time"

// TopologyChanged says that a new topology was accepted; services switch when the key "current" of the topology bucket names it.
type TopologyChanged struct {
	Hash     string    `json:"hash"`
	Previous string    `json:"previous,omitempty"`
	Actor    string    `json:"actor"`
	At       time.Time `json:"at"`
}

// TopologyChangedTopic is published by the gateway after each accepted apply.
var TopologyChangedTopic = Topic[TopologyChanged]{Contract{
	Name: "leeward.topology.changed.v1", Stream: Events, Producer: Gateway,
	Deliver: DeliverAll, ActWithin: 24 * time.Hour, Doc: "A new topology was accepted.",
}}

// Validate reports every field that is not well formed.
func (e TopologyChanged) Validate() error {
	var c check
	c.text("hash", e.Hash)
	c.text("actor", e.Actor)
	c.time("at", e.At)
	return c.err()
}

// Key is the hash of the new topology.
func (e TopologyChanged) Key() []string { return []string{e.Hash} }

// Identity is the change from one hash to the other at its time: going back to an older topology is a change too.
func (e TopologyChanged) Identity() string {
	return "topology:" + e.Previous + ":" + e.Hash + ":" + e.At.UTC().Format(time.RFC3339Nano)
}
