package rank

import (
	"encoding/json"
	"fmt"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// Compute ranks every candidate of the app, one order for each region that may be active. It stores what it needs in the ranking, and computes from what it stored.
func Compute(in Inputs, app schemas.App, t schemas.Topology, state State) (schemas.Ranking, error) {
	in = in.sorted()
	stored, err := json.Marshal(document{Inputs: in, World: newWorld(app, t), Policy: stability.Default, State: state.of(in, t)})
	if err != nil {
		return schemas.Ranking{}, fmt.Errorf("inputs of %s: %w", app.Name, err)
	}
	return Again(stored)
}

// ranking is computed from nothing but the document.
func (d document) ranking() (schemas.Ranking, error) {
	k := known{in: d.Inputs, cells: newTable(d.Inputs), app: d.World.App, topology: d.World.topology(), state: d.State, policy: d.Policy}
	k.counted, k.leftOut = shares(k.cells, k.app, k.topology)
	ranked := order(k.candidates())
	r := schemas.Ranking{App: k.app.Name, At: d.End, Topology: d.Topology, Quantile: k.app.Objective.Quantile, WindowSeconds: int(d.WindowMS / 1000)}
	r.Requests = k.requests()
	for _, active := range k.app.Regions() {
		o, err := k.published(active, k.gated(active, ranked))
		if err != nil {
			return schemas.Ranking{}, err
		}
		r.Orders = append(r.Orders, o)
	}
	return r, nil
}

// candidates estimates the cost of every candidate; it does not depend on where traffic is.
func (k known) candidates() []schemas.RankedCandidate {
	names := k.app.Candidates(k.topology)
	all := make([]schemas.RankedCandidate, len(names))
	costs := make([][]term, len(names))
	for i, name := range names {
		all[i].Candidate = name
		if _, all[i].Running = k.app.Endpoint(name); all[i].Running {
			costs[i] = terms(k.cells, k.app, name, k.counted)
		}
	}
	live := liveBlocks(k.in, costs)
	var drawn [][]int
	if len(live) > 0 {
		drawn = draw(k.in, live)
	}
	q := k.app.Objective.Quantile
	for i := range all {
		if len(costs[i]) == 0 {
			continue
		}
		e := estimateOf(k.in, costs[i], q, drawn, len(live))
		c := &all[i]
		c.CostMS, c.LowMS, c.HighMS, c.Censored = e.cost, e.low, e.high, e.censored
		c.Enough = enough(costs[i], q, len(live))
		for _, s := range k.counted {
			cell := k.cells.cell(s.vantage, c.Candidate, k.app.Objective.Kind)
			c.Samples += cell.samples
			c.Failures += cell.total.Failures
		}
	}
	return all
}

// gated returns the ranked candidates with their gates for one active region.
func (k known) gated(active string, ranked []schemas.RankedCandidate) []schemas.RankedCandidate {
	all := make([]schemas.RankedCandidate, len(ranked))
	for i, c := range ranked {
		c.Gates = k.gates(active, c)
		c = k.serve(c)
		c.Eligible = c.Running && schemas.Passes(c.Gates)
		all[i] = c
	}
	return all
}
