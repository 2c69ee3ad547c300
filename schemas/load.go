package schemas

import "time"

// Load is how many requests per second an app's targets are asked for.
type Load struct {
	App string `json:"app"`
	// RequestsPerSecond is the highest mean of ten seconds in the last five minutes, over all targets.
	RequestsPerSecond float64   `json:"requests_per_second"`
	At                time.Time `json:"at"`
	// Regions are the requests that came through the targets that name the region of their clients, each region once.
	Regions []RegionRequests `json:"regions,omitempty"`
}

// RegionRequests is how many requests came from the clients of a region.
type RegionRequests struct {
	Region string `json:"region"`
	// Requests counts those of before the less the older they are: one that is LoadMemory old is 1/e.
	Requests float64 `json:"requests"`
}

// LoadMemory is the time constant with which requests by region are forgotten.
const LoadMemory = time.Hour

// Validate reports every field that is not well formed.
func (l Load) Validate() error {
	var c check
	c.name("app", l.App)
	c.finite("requests_per_second", l.RequestsPerSecond)
	c.that(l.RequestsPerSecond >= 0, "requests_per_second is negative")
	c.time("at", l.At)
	for _, r := range l.Regions {
		c.name("region", r.Region)
		c.finite("requests", r.Requests)
		c.that(r.Requests >= 0, "requests is negative")
	}
	return c.err()
}

// Key is the app.
func (l Load) Key() []string { return []string{l.App} }
