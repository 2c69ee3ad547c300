package schemas

import "time"

// Health is a judgement of an app in a region.
type Health string

// The states of health. A verdict that expired is blind: its vantage says nothing, which is never the same as down.
const (
	Up       Health = "up"
	Degraded Health = "degraded"
	Down     Health = "down"
	Blind    Health = "blind"
)

// Valid says whether h is one of the states.
func (h Health) Valid() bool { return h == Up || h == Degraded || h == Down || h == Blind }

// Verdict is one vantage's latest judgement of one app in one region.
type Verdict struct {
	Vantage string `json:"vantage"`
	App     string `json:"app"`
	Region  string `json:"region"`
	Health  Health `json:"health"`
	// Since is when this state was first judged.
	Since time.Time `json:"since"`
	// At is the time of the judgement.
	At time.Time `json:"at"`
	// Round counts the vantage's rounds since it started.
	Round uint64 `json:"round"`
	// Incident is the look this verdict answers, empty for a regular round.
	Incident string `json:"incident,omitempty"`
	// FailedRounds is how many rounds in a row have failed.
	FailedRounds int `json:"failed_rounds"`
	// Variants is how each variant answered in the latest round.
	Variants []VariantHealth `json:"variants"`
	// LatencyUS is the round's latency of the objective's kind, for the variant that answered fastest; 0 when none did.
	LatencyUS uint32 `json:"latency_us"`
	// ConnectUS is the shortest time in which a connection was opened in the round, which is one round trip of the network; 0 when none was.
	ConnectUS uint32 `json:"connect_us,omitempty"`
	Reason    string `json:"reason,omitempty"`
	// Replication is how far the region's database follows the primary; absent for an app without a primary database.
	Replication *Replication `json:"replication,omitempty"`
	Topology    string       `json:"topology"`
}

// VariantHealth is whether one variant of the app answered the vantage's latest round, all its deciding probes counted.
type VariantHealth struct {
	Variant   string `json:"variant"`
	OK        bool   `json:"ok"`
	LatencyUS uint32 `json:"latency_us"`
	Error     string `json:"error,omitempty"`
}

// Validate reports every field that is not well formed.
func (v Verdict) Validate() error {
	var c check
	c.name("vantage", v.Vantage)
	c.name("app", v.App)
	c.name("region", v.Region)
	c.that(v.Health.Valid(), "health %q is not a state", v.Health)
	c.time("since", v.Since)
	c.time("at", v.At)
	return c.err()
}

// Key is the vantage, which its permissions pin, the app and the region.
func (v Verdict) Key() []string { return []string{v.Vantage, v.App, v.Region} }

// Presence says that a vantage is there and whether it can be believed.
type Presence struct {
	Vantage string `json:"vantage"`
	Region  string `json:"region,omitempty"`
	Boot    uint64 `json:"boot"`
	// Sighted is whether enough anchors answered in the latest round: a vantage that cannot reach its anchors accuses nobody.
	Sighted          bool      `json:"sighted"`
	AnchorsReachable int       `json:"anchors_reachable"`
	Anchors          int       `json:"anchors"`
	Round            uint64    `json:"round"`
	At               time.Time `json:"at"`
	Topology         string    `json:"topology"`
}

// Validate reports every field that is not well formed.
func (p Presence) Validate() error {
	var c check
	c.name("vantage", p.Vantage)
	c.optionalName("region", p.Region)
	c.time("at", p.At)
	return c.err()
}

// Key is the vantage.
func (p Presence) Key() []string { return []string{p.Vantage} }
