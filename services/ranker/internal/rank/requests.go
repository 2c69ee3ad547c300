package rank

import "github.com/leeward-failover/leeward/schemas"

// requestQuantiles are what is told of every candidate's requests, whatever quantile the objective goes by.
var requestQuantiles = []float64{0.5, 0.95, 0.99}

// requests is how long requests to each running candidate take, for people who compare variants. No order depends on it.
func (k known) requests() []schemas.RequestLatency {
	var all []schemas.RequestLatency
	var sums [][]term
	for _, c := range k.candidates {
		if !k.running[c] {
			continue
		}
		one, sum := schemas.RequestLatency{Candidate: c}, requestTerms(k.cells, k.app, c, k.countedFor(c))
		for _, t := range sum {
			one.Samples += t.cell.samples
			one.Failures += t.cell.failures
		}
		all, sums = append(all, one), append(sums, sum)
	}
	for _, q := range requestQuantiles {
		for i, e := range k.estimated(sums, q) {
			all[i].Quantiles = append(all[i].Quantiles, e.quantile(q))
		}
	}
	return all
}

// estimated sums up candidates by another quantile, as their costs are.
func (k known) estimated(sums [][]term, q float64) []Estimate {
	all, luck := make([]Estimate, len(sums)), make([][]float64, len(sums))
	for i, sum := range sums {
		all[i] = newEstimate(k.in, schemas.Candidate{})
		for _, t := range sum {
			s := newMass(k.in, t.cell.Cell).spread(t.cell.Cell, q)
			all[i].add(&s, t.weight)
		}
		luck[i] = all[i].down
	}
	common := noiseOf(luck, len(k.live))
	for i := range all {
		all[i].noise, all[i].Enough = common, enough(sums[i], q, len(k.live))
	}
	return all
}

// quantile is an estimate as people are told it.
func (e Estimate) quantile(q float64) schemas.LatencyQuantile {
	if !e.Enough {
		return schemas.LatencyQuantile{Quantile: q}
	}
	low, high := e.Interval(level)
	return schemas.LatencyQuantile{Quantile: q, Enough: true, MS: rounded(e.CostMS), LowMS: low, HighMS: high, Censored: e.Censored}
}
