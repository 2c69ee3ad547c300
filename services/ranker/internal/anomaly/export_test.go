package anomaly

import "github.com/leeward-failover/leeward/schemas"

// Rise is the p-value of a rise of a latency's logarithm.
func Rise(before, now []float64) float64 { return rise(window{before, now}).p }

// Since is how many minutes before the newest one a rise began, and whether there was enough to test one.
func Since(before, now []float64) (minutes int, tested bool) {
	r := rise(window{before, now})
	return r.since, r.tested
}

// Higher is the p-value of the values from a cut on being the higher ones.
func Higher(values []float64, cut int) float64 { return higher(values, cut, 0) }

// Lossier is the p-value of more failures, in samples of one size.
func Lossier(before, now []float64, samples float64) float64 {
	tallies := func(failures []float64) (all []tally) {
		for _, f := range failures {
			all = append(all, tally{f, samples})
		}
		return all
	}
	return lossier(tallies(before), tallies(now)).p
}

// Adjusted are p-values adjusted by Benjamini and Hochberg's procedure.
func Adjusted(p []float64) []float64 {
	all := make([]hypothesis, len(p))
	for i := range p {
		all[i].p = p[i]
	}
	discover(all)
	q := make([]float64, len(p))
	for i := range all {
		q[i] = all[i].q
	}
	return q
}

// Group are cells that found ones are put together in, and the scope they have in common.
type Group struct {
	Scope schemas.AnomalyScope
	Cells []Cell
}

// Common puts found cells, which moved, together among all.
func Common(found, all []Cell) (groups []Group) {
	moved := map[Cell]schemas.AnomalyCell{}
	for _, c := range found {
		moved[c] = schemas.AnomalyCell{}
	}
	for _, g := range common(found, moved, all) {
		groups = append(groups, Group{g.scope.event(), g.of})
	}
	return groups
}
