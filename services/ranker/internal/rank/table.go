package rank

import "github.com/leeward-failover/leeward/schemas"

// table finds the inputs' cells by name, each with the sum of its blocks.
type table map[key]summed

type key struct {
	vantage   string
	candidate schemas.Candidate
	kind      string
}

type summed struct {
	Cell
	total   Histogram
	samples uint64
}

func newTable(in Inputs) table {
	t := make(table, len(in.Cells))
	for _, c := range in.Cells {
		total := merge(c.Blocks)
		t[key{c.Vantage, c.Candidate, c.Kind}] = summed{c, total, total.Samples()}
	}
	return t
}

// cell finds a cell; one that nobody measured is empty.
func (t table) cell(vantage string, c schemas.Candidate, kind string) summed {
	return t[key{vantage, c, kind}]
}
