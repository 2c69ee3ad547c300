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
	nobody := newMass(in, Cell{})
	t := table{found: make(map[key]summed, len(in.Cells)), none: summed{spread: nobody.spread(q), mass: nobody}}
	for _, c := range in.Cells {
		total := merge(c.Blocks)
		total.Failures += merge(c.TimedOut).Samples()
		s := summed{Cell: c, total: total, samples: total.Samples()}
		if Counts(app, c.Kind) {
			s.mass = newMass(in, c)
			s.spread = s.mass.spread(q)
		}
		t.found[key{c.Vantage, c.Candidate, c.Kind}] = s
	}
	return t
}

// cell finds a cell; one that nobody measured is empty.
func (t table) cell(vantage string, c schemas.Candidate, kind string) summed {
	if s, ok := t.found[key{vantage, c, kind}]; ok {
		return s
	}
	return t.none
}
