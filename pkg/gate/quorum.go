// Package gate holds the conditions that the ranker and the failover-actuator both decide: what a quorum of vantages says, whether a region's database
// follows the primary closely enough, whether a region holds the image, whether a candidate can carry the load, and what a person ordered of it.
// It is pure: the callers bring the state and the time.
package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// The names of the gates, in the order they are shown in.
const (
	Running      = "running"
	Health       = "healthy"
	Fresh        = "fresh"
	Samples      = "samples"
	Distance     = "distance"
	RoundTrip    = "rtt"
	Jurisdiction = "jurisdiction"
	Replication  = "replication"
	Digest       = "image"
	Headroom     = "capacity"
	Allowed      = "allowed"
)

// grace is how much longer than its time to live a verdict or presence is believed: the bus counts in seconds, and clocks are never quite equal.
const grace = time.Second

// Votes returns what every known vantage says of the app in a region, by name. A vantage is blind when it is not there, lost sight of its anchors,
// or has not judged lately; a blind vantage neither accuses nor acquits.
func Votes(app schemas.App, region string, verdicts []schemas.Verdict, presences []schemas.Presence, now time.Time) []schemas.QuorumVote {
	votes := map[string]schemas.QuorumVote{}
	judged := map[string]schemas.Verdict{}
	for _, v := range verdicts {
		if v.App == app.Name && v.Region == region {
			judged[v.Vantage] = v
			votes[v.Vantage] = schemas.QuorumVote{Vantage: v.Vantage, Health: schemas.Blind, Reason: "not present"}
		}
	}
	life := schemas.TimeToLive(app.Probe.Interval.D()) + grace
	for _, p := range presences {
		votes[p.Vantage] = vote(p, judged[p.Vantage], now, life)
	}
	return slices.SortedFunc(maps.Values(votes), func(a, b schemas.QuorumVote) int { return cmp.Compare(a.Vantage, b.Vantage) })
}

// vote weighs a vantage's judgement by whether the vantage can be believed.
func vote(p schemas.Presence, v schemas.Verdict, now time.Time, life time.Duration) schemas.QuorumVote {
	blind := func(at time.Time, format string, args ...any) schemas.QuorumVote {
		return schemas.QuorumVote{Vantage: p.Vantage, Health: schemas.Blind, At: at, Reason: fmt.Sprintf(format, args...)}
	}
	if why := aged(p.At, now, life); why != "" {
		return blind(p.At, "presence %s", why)
	}
	if !p.Sighted {
		return blind(p.At, "reaches %d of %d anchors", p.AnchorsReachable, p.Anchors)
	}
	if v.At.IsZero() {
		return blind(p.At, "no verdict yet")
	}
	if why := aged(v.At, now, life); why != "" {
		return blind(v.At, "verdict %s", why)
	}
	return schemas.QuorumVote{Vantage: p.Vantage, Health: v.Health, At: v.At, Reason: v.Reason}
}

// aged says why a time is too far from now to be believed, in either direction: a clock that is ahead would keep its verdicts fresh for ever.
func aged(at, now time.Time, life time.Duration) string {
	switch age := now.Sub(at); {
	case age > life:
		return fmt.Sprintf("expired %s ago", (age - life).Round(time.Millisecond))
	case age < -life:
		return fmt.Sprintf("dated %s ahead", (-age).Round(time.Millisecond))
	}
	return ""
}

// Down says whether enough of the sighted vantages judge the region down: at least the quorum's share, and no fewer sighted than minVantages.
func Down(votes []schemas.QuorumVote, quorum float64, minVantages int) (down bool, sighted, accusing int) {
	for _, v := range votes {
		if v.Health != schemas.Blind {
			sighted++
		}
		if v.Health == schemas.Down {
			accusing++
		}
	}
	return reached(accusing, sighted, quorum, minVantages), sighted, accusing
}

// reached says whether a number of the sighted vantages is a quorum. Nobody is never one, whatever the share.
func reached(n, sighted int, quorum float64, minVantages int) bool {
	// The shares people write, such as 0.6, have no exact binary form; three of five must reach it.
	const rounding = 1e-9
	return n > 0 && sighted >= minVantages && float64(n) >= quorum*float64(sighted)-rounding
}
