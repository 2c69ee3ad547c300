package schemas

import "time"

// ImageState is what a region should run of a variant, and whether its registry was seen to hold it.
type ImageState struct {
	App     string `json:"app"`
	Variant string `json:"variant"`
	Region  string `json:"region"`
	Build   string `json:"build"`
	// Digest is the image index, the same in every region.
	Digest string `json:"digest"`
	// Reference is host/repository@digest in the region's own registry.
	Reference string `json:"reference"`
	// Parity is verified when the region's registry answered with the digest and holds every manifest and blob; pending or failed otherwise.
	Parity string    `json:"parity"`
	Error  string    `json:"error,omitempty"`
	Since  time.Time `json:"since"`
}

// Verified says whether the region's registry holds the image.
func (s ImageState) Verified() bool { return s.Parity == "verified" }

// Validate reports every field that is not well formed.
func (s ImageState) Validate() error {
	var c check
	c.name("app", s.App)
	c.name("variant", s.Variant)
	c.name("region", s.Region)
	c.digest("digest", s.Digest)
	c.text("reference", s.Reference)
	c.that(s.Parity == "pending" || s.Parity == "verified" || s.Parity == "failed", "parity %q is not pending, verified or failed", s.Parity)
	c.time("since", s.Since)
	return c.err()
}

// Key is the app, the variant and the region.
func (s ImageState) Key() []string { return []string{s.App, s.Variant, s.Region} }
