package schemas

import "time"

// Load is how many requests per second an app's targets are asked for.
type Load struct {
	App string `json:"app"`
	// RequestsPerSecond is the highest mean of ten seconds in the last five minutes, over all targets.
	RequestsPerSecond float64   `json:"requests_per_second"`
	At                time.Time `json:"at"`
}

// Validate reports every field that is not well formed.
func (l Load) Validate() error {
	var c check
	c.name("app", l.App)
	c.finite("requests_per_second", l.RequestsPerSecond)
	c.that(l.RequestsPerSecond >= 0, "requests_per_second is negative")
	c.time("at", l.At)
	return c.err()
}

// Key is the app.
func (l Load) Key() []string { return []string{l.App} }
