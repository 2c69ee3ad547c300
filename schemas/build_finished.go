package schemas

import "time"

// BuildFinished is the outcome of building one variant of an app once.
type BuildFinished struct {
	// Build is the hash of source digest, variant and arguments: the same inputs give the same build.
	Build   string `json:"build"`
	App     string `json:"app"`
	Variant string `json:"variant"`
	// Trigger is what asked for the build: the digest of a pushed image or the commit of a pushed branch.
	Trigger string `json:"trigger"`
	// Commit is the commit that was built, for an app that is built from a git repository.
	Commit string `json:"commit,omitempty"`
	// Outcome is succeeded or failed.
	Outcome string `json:"outcome"`
	// Error is the build's own message, with the failing step.
	Error string `json:"error,omitempty"`
	// Digest is the image index in the home registry, empty for a failed build.
	Digest    string `json:"digest,omitempty"`
	Reference string `json:"reference,omitempty"`
	// SizeBytes is the sum of the compressed layers and the config of the platform image.
	SizeBytes uint64       `json:"size_bytes,omitempty"`
	Layers    []BuildLayer `json:"layers,omitempty"`
	Stages    []BuildStage `json:"stages,omitempty"`
	Seconds   float64      `json:"seconds"`
	StartedAt time.Time    `json:"started_at"`
	At        time.Time    `json:"at"`
}

// BuildLayer is one layer of the built image.
type BuildLayer struct {
	Digest    string `json:"digest"`
	SizeBytes uint64 `json:"size_bytes"`
}

// BuildStage is one stage of the Dockerfile: how long its steps kept the builder busy, overlaps counted once, and how many came from the cache.
type BuildStage struct {
	Name        string  `json:"name"`
	Seconds     float64 `json:"seconds"`
	Steps       int     `json:"steps"`
	CachedSteps int     `json:"cached_steps"`
}

// BuildFinishedTopic is published by the builder once per build.
var BuildFinishedTopic = Topic[BuildFinished]{Contract{
	Name: "leeward.build.finished.v1", Stream: Events, Producer: Builder,
	Deliver: DeliverAll, ActWithin: 24 * time.Hour, Doc: "A build of one variant ended.",
}}

// Validate reports every field that is not well formed.
func (e BuildFinished) Validate() error {
	var c check
	c.text("build", e.Build)
	c.name("app", e.App)
	c.name("variant", e.Variant)
	switch e.Outcome {
	case "succeeded":
		c.digest("digest", e.Digest)
		c.text("reference", e.Reference)
	case "failed":
		c.text("error", e.Error)
	default:
		c.failf("outcome %q is neither succeeded nor failed", e.Outcome)
	}
	c.time("started_at", e.StartedAt)
	c.time("at", e.At)
	return c.err()
}

// Key is the app and the variant.
func (e BuildFinished) Key() []string { return []string{e.App, e.Variant} }

// Identity is the build, its outcome and what it made: a build that had to be done again, because its image was lost, may make other bytes.
func (e BuildFinished) Identity() string {
	return "build:" + e.Build + ":" + e.Outcome + ":" + e.Digest
}
