package rank

import "github.com/leeward-failover/leeward/schemas"

// table finds the inputs' cells by name, each with what the ranking reads off it.
type table struct {
	found map[key]summed
	// none stands for a cell that nobody measured.
	none summed
}

type key struct {
	vantage   string
	candidate schemas.Candidate
	kind      string
}

// summed is a cell with the sum of its blocks. Mass and spread are only of cells that are part of a cost.
type summed struct {
	Cell
	total   Histogram
	samples uint64
	mass    mass
	spread  spread
}

func newTable(in Inputs, app schemas.App) table {
	q := app.Objective.Quantile
	t := table{found: make(map[key]summed, len(in.Cells)), none: newSummed(in, Cell{}, q)}
	for _, c := range in.Cells {
		if k := (key{c.Vantage, c.Candidate, c.Kind}); Counts(app, c.Kind) {
			t.found[k] = newSummed(in, c, q)
		} else {
			total := merge(c.Blocks)
			t.found[k] = summed{Cell: c, total: total, samples: total.Samples()}
		}
	}
	return t
}

// newSummed sums a cell that is part of a cost.
func newSummed(in Inputs, c Cell, q float64) summed {
	total := merge(c.Blocks)
	total.Failures += merge(c.TimedOut).Samples()
	s := summed{Cell: c, total: total, samples: total.Samples(), mass: newMass(in, c)}
	s.spread = s.mass.spread(q)
	return s
}

// cell finds a cell; one that nobody measured is empty.
func (t table) cell(vantage string, c schemas.Candidate, kind string) summed {
	if s, ok := t.found[key{vantage, c, kind}]; ok {
		return s
	}
	return t.none
}
