package rank

import (
	"math"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// requestQuantiles are what is told of every candidate's requests, whatever quantile the objective goes by.
var requestQuantiles = []float64{0.5, 0.95, 0.99}

// requests is how long requests to each running candidate take, for people who compare variants. No order depends on it.
func (k known) requests() []schemas.RequestLatency {
	var all []schemas.RequestLatency
	for _, c := range k.app.Candidates(k.topology) {
		if _, running := k.app.Endpoint(c); !running {
			continue
		}
		one := schemas.RequestLatency{Candidate: c}
		var measured []term
		for _, s := range k.countedFor(c) {
			cell := k.cells.cell(s.vantage, c, k.app.Objective.Kind)
			measured = append(measured, term{weight: s.weight, cell: cell})
			one.Samples += cell.samples
			one.Failures += cell.total.Failures
		}
		for _, q := range requestQuantiles {
			one.Quantiles = append(one.Quantiles, k.request(measured, q))
		}
		all = append(all, one)
	}
	return all
}

// request is one quantile over the vantages. Its interval is the jackknife's: the quantile is taken again without each block in turn, since samples close in time share their luck
// (Efron and Stein, "The Jackknife Estimate of Variance", 1981; deleting whole blocks is what makes it hold for quantiles). It is never narrower than the bins.
func (k known) request(measured []term, q float64) schemas.LatencyQuantile {
	result := schemas.LatencyQuantile{Quantile: q}
	blocks := liveBlocks(k.in, [][]term{measured})
	if len(blocks) < minBlocks || slices.ContainsFunc(measured, func(t term) bool { return t.cell.samples < needed(q) }) {
		return result
	}
	ms, censored := k.without(-1, measured, q)
	spread, n := 0.0, float64(len(blocks))
	for _, b := range blocks {
		less, _ := k.without(b, measured, q)
		spread += (less - ms) * (less - ms)
	}
	half := noise{freedom: n - 1}.t(level) * math.Sqrt((n-1)/n*spread)
	result.Enough, result.MS, result.Censored = true, rounded(ms), censored
	result.LowMS, result.HighMS = rounded(max(0, min(ms-half, ms/halfBin))), rounded(max(ms+half, ms*halfBin))
	return result
}

// without is a quantile over the vantages as it would be without one of the blocks.
func (k known) without(block int, measured []term, q float64) (ms float64, censored bool) {
	for _, t := range measured {
		rest := t.cell.total
		if block >= 0 && block < len(t.cell.Blocks) {
			rest = minus(rest, t.cell.Blocks[block])
		}
		x := rest.quantile(q, k.in.TimeoutUS)
		ms += t.weight * x.us / 1000
		censored = censored || x.censored
	}
	return ms, censored
}

// minus takes a part of a histogram away from it.
func minus(whole, part Histogram) Histogram {
	rest := Histogram{Failures: whole.Failures - part.Failures, First: whole.First, Counts: slices.Clone(whole.Counts)}
	for i, n := range part.Counts {
		rest.Counts[part.First-whole.First+i] -= n
	}
	return rest
}

// halfBin is how far, as a factor, the edges of a bin lie from its centre.
var halfBin = math.Exp2(0.5 / BinsPerOctave)
