package rank

import "github.com/leeward-failover/leeward/schemas"

// table finds the inputs' cells by name, each with what the ranking reads off it.
type table struct {
	found map[key]*summed
	// none stands for a cell that nobody measured.
	none *summed
}

type key struct {
	vantage   string
	candidate schemas.Candidate
	kind      string
}

// summed is a cell with what its blocks hold together; nothing is summed of a cell that is part of no cost.
type summed struct {
	*Cell
	samples, failures uint64
	// worth is how many samples that count alike say as much.
	worth  uint64
	spread spread
}

// newTable sums up the cells by the objective's quantile.
func newTable(in Inputs, app schemas.App) table {
	m := mass{weights: in.weights(app.Objective.HalfLife.D())}
	none := m.summed(in, &Cell{}, app.Objective.Quantile)
	t := table{found: make(map[key]*summed, len(in.Cells)), none: &none}
	all := make([]summed, len(in.Cells))
	for i := range in.Cells {
		c := &in.Cells[i]
		if all[i].Cell = c; Counts(app, c.Kind) {
			all[i] = m.summed(in, c, app.Objective.Quantile)
		}
		t.found[key{c.Vantage, c.Candidate, c.Kind}] = &all[i]
	}
	return t
}

// summed sums a cell that is part of a cost.
func (m *mass) summed(in Inputs, c *Cell, quantile float64) summed {
	m.count(in, c)
	return summed{Cell: c, samples: m.samples, failures: m.failures, worth: uint64(m.worth + 1e-9), spread: m.spread(c, quantile)}
}

// cell finds a cell; one that nobody measured is empty.
func (t table) cell(vantage string, c schemas.Candidate, kind string) *summed {
	if s, ok := t.found[key{vantage, c, kind}]; ok {
		return s
	}
	return t.none
}
