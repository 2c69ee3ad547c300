package rank

import (
	"encoding/json"
	"fmt"

	"github.com/leeward-failover/leeward/schemas"
)

// Compute ranks every candidate of the app, one order for each region that may be active, and stores the inputs in the ranking.
func Compute(in Inputs, app schemas.App, t schemas.Topology, state State) (schemas.Ranking, error) {
	if err := in.validate(); err != nil {
		return schemas.Ranking{}, err
	}
	in = in.sorted()
	stored, err := json.Marshal(in)
	if err != nil {
		return schemas.Ranking{}, fmt.Errorf("inputs of %s: %w", app.Name, err)
	}
	k := known{in: in, cells: newTable(in), app: app, topology: t, state: state}
	k.counted, k.leftOut = shares(k.cells, app, t)
	ranked := order(k.candidates())
	r := schemas.Ranking{
		App: app.Name, At: in.End, Topology: in.Topology,
		Quantile: app.Objective.Quantile, WindowSeconds: int(in.WindowMS / 1000), Inputs: stored,
	}
	r.Requests = k.requests()
	for _, active := range app.Regions() {
		r.Orders = append(r.Orders, schemas.Order{Active: active, Candidates: k.gated(active, ranked)})
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
