package rank

import (
	"encoding/json"

	"github.com/leeward-failover/leeward/schemas"
)

// Part is what one vantage measured of a candidate by one kind of probe: a part of its cost, before it is weighted. A region's database has no variant.
type Part struct {
	schemas.Candidate
	Vantage string
	Kind    string
	// MS is the objective's quantile in milliseconds, at least that when Censored.
	MS                float64
	Censored          bool
	Samples, Failures uint64
}

// Parts reads the parts of all costs out of a ranking's stored inputs, candidate by candidate.
func Parts(stored json.RawMessage) ([]Part, error) {
	d, err := read(stored)
	if err != nil {
		return nil, err
	}
	var all []Part
	var m mass
	for i := range d.Cells {
		c := &d.Cells[i]
		if !Counts(d.World.App, c.Kind) {
			continue
		}
		s := m.summed(d.Inputs, c, d.World.App.Objective.Quantile)
		all = append(all, Part{c.Candidate, c.Vantage, c.Kind, rounded(s.spread.us / 1000), s.spread.censored, s.samples, s.failures})
	}
	return all, nil
}
