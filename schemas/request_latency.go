package schemas

import "math"

// RequestLatency is how long a request to a candidate takes, by what the ranking was computed from: each quantile is that of every vantage that counts, weighted as in
// the cost, without database writes.
type RequestLatency struct {
	Candidate
	Samples   uint64            `json:"samples"`
	Failures  uint64            `json:"failures"`
	Quantiles []LatencyQuantile `json:"quantiles"`
}

// LatencyQuantile is a quantile in milliseconds with its 95 % interval.
type LatencyQuantile struct {
	Quantile float64 `json:"quantile"`
	// Enough is whether every vantage has the samples that the quantile needs; without them the rest is 0.
	Enough bool    `json:"enough"`
	MS     float64 `json:"ms"`
	LowMS  float64 `json:"low_ms"`
	HighMS float64 `json:"high_ms"`
	// Censored says that the quantile lies among time-outs: the truth is at least what is shown.
	Censored bool `json:"censored,omitempty"`
}

// Quantile finds one of the quantiles.
func (r RequestLatency) Quantile(q float64) LatencyQuantile {
	for _, one := range r.Quantiles {
		if one.Quantile == q {
			return one
		}
	}
	return LatencyQuantile{Quantile: q}
}

func (c *check) requests(all []RequestLatency) {
	for _, r := range all {
		c.candidate("request", r.Candidate)
		for _, q := range r.Quantiles {
			c.finite("request", q.Quantile, q.MS, q.LowMS, q.HighMS)
		}
	}
}

// NeededSamples is how many samples a cell must hold before one of its quantiles is worth showing: five expected beyond it.
func NeededSamples(quantile float64) uint64 { return uint64(math.Ceil(5/(1-quantile) - 1e-9)) }
