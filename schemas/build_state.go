package schemas

// BuildState is the newest build of a variant and the image that every region is to hold. It is what makes a repeated event have one effect.
type BuildState struct {
	App     string `json:"app"`
	Variant string `json:"variant"`
	// Last is the newest build that ended, whatever its outcome.
	Last BuildFinished `json:"last"`
	// Delivery is the identity of the push that asked for it: the same push does not try a failed build again, another one does.
	Delivery string `json:"delivery"`
	// Announced says that the event of the last build was published.
	Announced bool `json:"announced"`
	// Wanted is the newest build that succeeded: the image every region is to hold. It is missing before the first.
	Wanted BuildFinished `json:"wanted,omitzero"`
}

// Wants says whether there is an image for the regions to hold.
func (s BuildState) Wants() bool { return s.Wanted.Digest != "" }

// Validate reports every field that is not well formed.
func (s BuildState) Validate() error {
	var c check
	c.name("app", s.App)
	c.name("variant", s.Variant)
	c.text("delivery", s.Delivery)
	if err := s.Last.Validate(); err != nil {
		c.failf("last: %w", err)
	}
	if s.Wants() {
		if err := s.Wanted.Validate(); err != nil {
			c.failf("wanted: %w", err)
		}
	}
	return c.err()
}

// Key is the app and the variant.
func (s BuildState) Key() []string { return []string{s.App, s.Variant} }
