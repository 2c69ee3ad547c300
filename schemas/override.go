package schemas

import "time"

// Override is what a person ordered of a region, or of one variant in it. It always ends.
type Override struct {
	App    string `json:"app"`
	Region string `json:"region"`
	// Variant is empty for all variants of the region.
	Variant string `json:"variant,omitempty"`
	// Kind is pin or exclude.
	Kind string `json:"kind"`
	Why  string `json:"why"`
	// Who is the person.
	Who   string    `json:"who"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

// The kinds of override.
const (
	// Pin allows no candidate beside those that are pinned.
	Pin = "pin"
	// Exclude allows a candidate never, pinned or not.
	Exclude = "exclude"
)

// LongestOverride is the most that an override may last: what is to last longer belongs in leeward.yaml.
const LongestOverride = 30 * 24 * time.Hour

// Validate reports every field that is not well formed.
func (o Override) Validate() error {
	var c check
	c.name("app", o.App)
	c.name("region", o.Region)
	c.optionalName("variant", o.Variant)
	c.that(o.Kind == Pin || o.Kind == Exclude, "kind %q is neither pin nor exclude", o.Kind)
	c.text("why", o.Why)
	c.text("who", o.Who)
	c.time("at", o.At)
	c.time("until", o.Until)
	life := o.Until.Sub(o.At)
	c.that(life > 0 && life <= LongestOverride, "until is %s after at, not between 0 and %s", life, LongestOverride)
	return c.err()
}

// Key is the app, the region and, if any, the variant.
func (o Override) Key() []string {
	if o.Variant == "" {
		return []string{o.App, o.Region}
	}
	return []string{o.App, o.Region, o.Variant}
}

// Covers says whether the override is about a candidate.
func (o Override) Covers(c Candidate) bool {
	return o.Region == c.Region && (o.Variant == "" || o.Variant == c.Variant)
}

// Scope is the region, or region/variant.
func (o Override) Scope() string {
	if o.Variant == "" {
		return o.Region
	}
	return Candidate{Region: o.Region, Variant: o.Variant}.String()
}
