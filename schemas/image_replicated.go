package schemas

import "time"

// ImageReplicated says how copying one image to one region's registry ended.
type ImageReplicated struct {
	App     string `json:"app"`
	Variant string `json:"variant"`
	Region  string `json:"region"`
	Build   string `json:"build"`
	Digest  string `json:"digest"`
	// Outcome is verified (the region's registry answered with the same digest and holds every blob) or failed.
	Outcome string    `json:"outcome"`
	Error   string    `json:"error,omitempty"`
	Attempt int       `json:"attempt"`
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at"`
}

// ImageReplicatedTopic is published by the builder for each region, once per change of outcome.
var ImageReplicatedTopic = Topic[ImageReplicated]{Contract{
	Name: "leeward.image.replicated.v1", Stream: Events, Producer: Builder,
	Deliver: DeliverAll, ActWithin: 24 * time.Hour, Doc: "An image was copied to a region's registry and verified, or could not be.",
}}

// Validate reports every field that is not well formed.
func (e ImageReplicated) Validate() error {
	var c check
	c.name("app", e.App)
	c.name("variant", e.Variant)
	c.name("region", e.Region)
	c.digest("digest", e.Digest)
	c.that(e.Outcome == "verified" || e.Outcome == "failed", "outcome %q is neither verified nor failed", e.Outcome)
	c.that(e.Outcome != "failed" || e.Error != "", "a failed replication says why")
	c.time("at", e.At)
	return c.err()
}

// Key is the app, the variant and the region.
func (e ImageReplicated) Key() []string { return []string{e.App, e.Variant, e.Region} }

// Identity is the digest in the region with its outcome and time: the same digest may fail, recover and fail again.
func (e ImageReplicated) Identity() string {
	return "replicated:" + e.App + ":" + e.Variant + ":" + e.Region + ":" + e.Digest + ":" + e.Outcome + ":" + e.At.UTC().Format(time.RFC3339Nano)
}
