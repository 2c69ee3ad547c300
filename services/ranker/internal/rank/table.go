package rank

import (
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// table finds the inputs' cells by name, each with what the ranking reads off it.
type table struct {
	// quantiles are those that spreads are of, ascending.
	quantiles []float64
	found     map[key]*summed
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
	Cell
	samples, failures uint64
	spreads           []spread
}

func newTable(in Inputs, app schemas.App) table {
	quantiles := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(requestQuantiles), app.Objective.Quantile))))
	none := newSummed(in, Cell{}, quantiles)
	t := table{quantiles: quantiles, found: make(map[key]*summed, len(in.Cells)), none: &none}
	all := make([]summed, len(in.Cells))
	for i, c := range in.Cells {
		if Counts(app, c.Kind) {
			all[i] = newSummed(in, c, quantiles)
		} else {
			all[i].Cell = c
		}
		t.found[key{c.Vantage, c.Candidate, c.Kind}] = &all[i]
	}
	return t
}

// newSummed sums a cell that is part of a cost.
func newSummed(in Inputs, c Cell, quantiles []float64) summed {
	m := newMass(in, c)
	s := summed{Cell: c, samples: uint64(m.n), spreads: m.spreads(c, quantiles)}
	for i := range c.Blocks {
		s.failures += c.Blocks[i].Failures
	}
	for i := range c.TimedOut {
		s.failures += c.TimedOut[i].Samples()
	}
	return s
}

// cell finds a cell; one that nobody measured is empty.
func (t table) cell(vantage string, c schemas.Candidate, kind string) *summed {
	if s, ok := t.found[key{vantage, c, kind}]; ok {
		return s
	}
	return t.none
}

// at is where the spreads of a quantile are.
func (t table) at(quantile float64) int { return slices.Index(t.quantiles, quantile) }
