package schemas

import "time"

// ImagePushed says that a registry holds a new digest under a tag. The digest is what the registry itself answered, never only what a webhook claimed.
type ImagePushed struct {
	// Source is the kind of webhook (distribution, dockerhub, github) or "reconcile" for what was found by comparing tags at start.
	Source string `json:"source"`
	// Delivery is the sender's id of the notification; for a sender whose id is missing or not signed it is the hash of the body.
	Delivery string `json:"delivery"`
	// Registry is host:port, without a scheme.
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
	// Verified says how the sender was authenticated: bearer, path (a secret in the address), hmac, own (we asked the registry ourselves).
	Verified   string    `json:"verified"`
	BodySHA256 string    `json:"body_sha256,omitempty"`
	At         time.Time `json:"at"`
}

// ImagePushedTopic is published by the gateway for every accepted push notification.
var ImagePushedTopic = Topic[ImagePushed]{Contract{
	Name: "leeward.image.pushed.v1", Stream: Events, Producer: Gateway, Readers: []Service{Builder},
	Deliver: DeliverAll, ActWithin: 24 * time.Hour, Doc: "A registry holds a new digest under a tag.",
}}

// Validate reports every field that is not well formed.
func (e ImagePushed) Validate() error {
	var c check
	c.text("source", e.Source)
	c.text("delivery", e.Delivery)
	c.text("registry", e.Registry)
	c.text("repository", e.Repository)
	c.text("tag", e.Tag)
	c.digest("digest", e.Digest)
	c.text("verified", e.Verified)
	c.time("at", e.At)
	return c.err()
}

// Key is the registry, the repository and the tag, so that the last push of a tag can be found.
func (e ImagePushed) Key() []string { return []string{e.Registry, e.Repository, e.Tag} }

// Identity is the sender's delivery id within its source.
func (e ImagePushed) Identity() string { return "push:" + e.Source + ":" + e.Delivery }
