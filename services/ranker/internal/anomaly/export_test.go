package anomaly

import "github.com/leeward-failover/leeward/schemas"

// Rise is the p-value of a rise of a latency's logarithm.
func Rise(before, now []float64) float64 { return rise(window{before, now}).p }

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

// Common are the sets of cells that found ones, which moved, are put together in, among all.
func Common(found, all []Cell) (groups [][]Cell) {
	moved := map[Cell]schemas.AnomalyCell{}
	for _, c := range found {
		moved[c] = schemas.AnomalyCell{}
	}
	for _, g := range common(found, moved, all) {
		groups = append(groups, g.of)
	}
	return groups
}
