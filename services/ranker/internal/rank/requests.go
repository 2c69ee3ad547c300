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
	for i, estimates := range k.estimated(sums) {
		for j, q := range requestQuantiles {
			all[i].Quantiles = append(all[i].Quantiles, estimates[j].quantile(q))
		}
	}
	return all
}

// estimated sums up candidates by each of the quantiles, as their costs are by the objective's.
func (k known) estimated(sums [][]term) [][]Estimate {
	all, luck := make([][]Estimate, len(sums)), make([][][]float64, len(requestQuantiles))
	var m mass
	for i, sum := range sums {
		for range requestQuantiles {
			all[i] = append(all[i], newEstimate(k.in, schemas.Candidate{}))
		}
		for _, t := range sum {
			m.count(k.in, t.cell.Cell)
			for j, q := range requestQuantiles {
				s := m.spread(t.cell.Cell, q)
				all[i][j].add(&s, t.weight)
			}
		}
		for j, e := range all[i] {
			luck[j] = append(luck[j], e.down)
		}
	}
	for j, q := range requestQuantiles {
		common := noiseOf(luck[j], len(k.live))
		for i := range all {
			all[i][j].noise, all[i][j].Enough = common, enough(sums[i], q, len(k.live))
		}
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
