package config

import "github.com/leeward-failover/leeward/schemas"

// largest is the most that a weight or a number of writes may be: sums of much larger ones are no numbers any more.
const largest = 1e9

// limits refuses what is less than nothing: as a gate's limit it would be as good as none, and nobody would be told.
func (v validator) limits(path string, a schemas.App) {
	gates, failover := a.Gates, a.Failover
	for _, limit := range []struct {
		field, as string
		negative  bool
	}{
		{"gates.min_distance_km", "as 300, or leave it out", gates.MinDistanceKM < 0},
		{"gates.max_rtt", "as 150ms, or leave it out", gates.MaxRTT < 0},
		{"gates.min_samples", "as 20, or leave it out", gates.MinSamples < 0},
		{"gates.max_age", "as 15s, or leave it out", gates.MaxAge < 0},
		{"gates.max_rto", "as 30s, or leave it out", gates.MaxRTO < 0},
		{"failover.max_ranking_age", "as 15m", failover.MaxRankingAge < 0},
		{"failover.cool_down", "as 1h", failover.CoolDown < 0},
		{"failover.bake", "as 10s", failover.Bake < 0},
		{"failover.verify.timeout", "as 10s", failover.Verify.Timeout < 0},
	} {
		if limit.negative {
			v.failf(path+"."+limit.field, limit.as, "is negative")
		}
	}
}

// share checks a number that others are weighed with.
func (v validator) share(path string, n float64) {
	switch {
	case n < 0:
		v.failf(path, "", "is negative")
	case n > largest:
		v.failf(path, "", "%g is more than %g", n, largest)
	}
}
