package anomaly

import (
	"cmp"
	"slices"
)

// perMinute is the false-discovery rate of one minute's look: a day's looks spend one false alarm. While nothing is wrong anywhere the rate is the chance of any false
// alarm in the look, so that at most one a day is expected, however the looks hang together.
const perMinute = 1.0 / (24 * 60)

// suspicion is the p-value up to which a cell counts as having moved with cells that were found: one test's, since the company has been found already.
const suspicion = 0.01

// hypothesis is one measure of a cell with its test.
type hypothesis struct {
	cell    Cell
	measure int
	result
	// q is the false-discovery rate at which the hypothesis would just be rejected.
	q float64
}

// discover adjusts the p-values by Benjamini and Hochberg's procedure (1995), which holds the rate for independent tests and for those that are dependent as
// cells of one vantage or region are, positively.
func discover(all []hypothesis) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[a].p, all[b].p) })
	q := 1.0
	for rank := len(order); rank > 0; rank-- {
		h := &all[order[rank-1]]
		q = min(q, h.p*float64(len(order))/float64(rank))
		h.q = q
	}
}
