package schemas

import "time"

// SourcePushed says that a branch of a git repository an app is built from moved to another commit.
// It is a hint to look: what is built is what the git server itself says the branch is at by then.
type SourcePushed struct {
	// Source is the kind of webhook (github) or "reconcile" for what was found by asking the git server.
	Source string `json:"source"`
	// Delivery is the sender's id of the notification. Senders do not sign it, so it tells nothing apart.
	Delivery string `json:"delivery"`
	// Repository is the address of the repository as leeward.yaml writes it.
	Repository string `json:"repository"`
	Branch     string `json:"branch"`
	// Commit is what the branch is at, 40 or 64 hexadecimal digits.
	Commit string `json:"commit"`
	// Verified says how the sender was authenticated: hmac, own (we asked the git server ourselves).
	Verified string `json:"verified"`
	// BodySHA256 is the hash of what was signed.
	BodySHA256 string    `json:"body_sha256,omitempty"`
	At         time.Time `json:"at"`
}

// SourcePushedTopic is published by the gateway for every accepted push to a branch that an app is built from.
var SourcePushedTopic = Topic[SourcePushed]{Contract{
	Name: "leeward.source.pushed.v1", Stream: Events, Producer: Gateway, Readers: []Service{Builder},
	Deliver: DeliverAll, ActWithin: 24 * time.Hour, Doc: "A branch that an app is built from moved to another commit.",
}}

// Validate reports every field that is not well formed.
func (e SourcePushed) Validate() error {
	var c check
	c.text("source", e.Source)
	c.text("delivery", e.Delivery)
	c.text("repository", e.Repository)
	c.text("branch", e.Branch)
	c.that(ValidCommit(e.Commit), "commit %q is not a commit's hash", e.Commit)
	c.text("verified", e.Verified)
	c.time("at", e.At)
	return c.err()
}

// Key is the repository and the branch, so that the last push of a branch can be found.
func (e SourcePushed) Key() []string { return []string{e.Repository, e.Branch} }

// Identity is what was signed, so that a body that is sent again under another delivery id is the same event; without a body it is the delivery.
func (e SourcePushed) Identity() string {
	if e.BodySHA256 != "" {
		return "source:" + e.Source + ":" + e.BodySHA256
	}
	return "source:" + e.Source + ":" + e.Delivery
}
