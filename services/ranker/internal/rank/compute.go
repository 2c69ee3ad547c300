package rank

import (
	"encoding/json"
	"fmt"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// Result is a ranking without what no decision is made by: its inputs and how long requests take. Both are for one that is published.
type Result struct {
	schemas.Ranking
	document document
	known    known
}

// Compute ranks every candidate of the app, one order for each region that may be active, from nothing but what the ranking stores.
func Compute(in Inputs, app schemas.App, t schemas.Topology, state State) (Result, error) {
	if err := in.validate(); err != nil {
		return Result{}, err
	}
	in = in.sorted()
	if in.Declared == "" {
		in.Declared = t.Declared().Hash()
	}
	d := document{Inputs: in, World: newWorld(app, t), Policy: stability.Default, State: state.of(in, t)}
	return d.result()
}

// Stored is the ranking with what it was computed from, from which Again computes the same bytes. The inputs must still be as Compute was given them.
func (r Result) Stored() (schemas.Ranking, error) {
	stored, err := json.Marshal(r.document)
	if err != nil {
		return schemas.Ranking{}, fmt.Errorf("inputs of %s: %w", r.App, err)
	}
	whole := r.whole()
	whole.Inputs = stored
	return whole, nil
}

// whole is the ranking with how long requests take.
func (r Result) whole() schemas.Ranking {
	r.Requests = r.known.requests()
	return r.Ranking
}

// ranking is computed from nothing but the document.
func (d document) ranking() (schemas.Ranking, error) {
	r, err := d.result()
	if err != nil {
		return schemas.Ranking{}, err
	}
	return r.whole(), nil
}

func (d document) result() (Result, error) {
	k := newKnown(d.Inputs, d.World.App, d.World.topology(), d.State.Load)
	k.state, k.policy, k.own, k.verdicts, k.distances = d.State, d.Policy, customGates(d.State, d.World.App), map[string][]schemas.Verdict{}, map[[2]string]schemas.Gate{}
	for _, v := range d.State.Verdicts {
		k.verdicts[v.Region] = append(k.verdicts[v.Region], v)
	}
	ranked := k.ranked()
	r := schemas.Ranking{
		App: k.app.Name, At: d.End, Topology: d.Topology, Declared: d.Declared,
		Quantile: k.app.Objective.Quantile, WindowSeconds: int(k.app.Objective.Window.D().Seconds()), Warnings: k.warnings(),
	}
	same := make([]anywhere, len(ranked))
	for i := range ranked {
		same[i] = k.anywhere(ranked[i])
		k.serves(&ranked[i], &same[i])
	}
	for _, active := range k.app.Regions() {
		o, err := k.published(active, k.gated(active, ranked, same))
		if err != nil {
			return Result{}, err
		}
		r.Orders = append(r.Orders, o)
	}
	return Result{r, d, k}, nil
}

// costs are what is known of the candidates' costs.
type costs struct {
	estimates map[schemas.Candidate]Estimate
	// without are estimates without each vantage, once they were asked for.
	without map[schemas.Candidate][]Estimate
	// apart is the noise of the differences between candidates, in which the luck that they share cancels out.
	apart noise
	// live are the blocks that hold samples, blocks how much they tell.
	live   []int
	blocks blocks
}

// newKnown estimates the cost of every candidate that runs; it does not depend on where traffic is.
func newKnown(in Inputs, app schemas.App, t schemas.Topology, load schemas.Load) known {
	k := known{&facts{in: in, app: app, topology: t, hasty: hasty(in, t), candidates: app.Candidates(t), running: map[schemas.Candidate]bool{}}}
	for _, e := range app.Endpoints {
		k.running[e.Candidate()] = true
	}
	k.cells = newTable(in.without(k.hasty), app)
	k.counted, k.leftOut = shares(k.cells, app, t)
	k.weigh(load)
	k.estimates, k.without = map[schemas.Candidate]Estimate{}, map[schemas.Candidate][]Estimate{}
	var sums [][]term
	var all []Estimate
	for _, c := range k.candidates {
		if !k.running[c] {
			continue
		}
		if one := terms(k.cells, app, c, k.countedFor(c)); len(one) > 0 {
			sums = append(sums, one)
			all = append(all, estimate(in, c, one))
		}
	}
	k.live = liveBlocks(in, sums)
	k.blocks = newBlocks(in.weights(app.Objective.HalfLife.D()), k.live)
	k.settle(sums, all)
	return k
}

// settle keeps the estimates with their noise.
func (k known) settle(sums [][]term, all []Estimate) {
	luck := make([][]float64, len(all))
	for i, e := range all {
		luck[i] = e.down
	}
	common := noiseOf(luck, k.blocks)
	for i, e := range all {
		e.noise, e.Enough = common, enough(sums[i], k.app.Objective.Quantile, k.blocks)
		k.estimates[e.Candidate] = e
	}
	k.apart = noiseOf(differences(k.measured()), k.blocks)
}

// ranked is every candidate in order, without gates.
func (k known) ranked() []schemas.RankedCandidate {
	all := make([]schemas.RankedCandidate, len(k.candidates))
	odds := k.contest()
	for i, name := range k.candidates {
		c := &all[i]
		c.Candidate = name
		c.Running = k.running[name]
		e, ok := k.estimates[name]
		if c.Running && !e.Enough {
			c.Doubt = k.missing(name)
		}
		if !ok {
			continue
		}
		c.CostMS, c.Censored, c.Enough = rounded(e.CostMS), e.Censored, e.Enough
		c.LowMS, c.HighMS = e.Interval(level)
		c.PBest, c.RegretMS = odds[name].best, odds[name].regret
		for _, s := range k.counted {
			cell := k.cells.cell(s.vantage, name, k.app.Objective.Kind)
			c.Samples += cell.samples
			c.Failures += cell.failures
		}
	}
	return k.order(all)
}

// gated returns the ranked candidates with their gates for one active region.
func (k known) gated(active string, ranked []schemas.RankedCandidate, same []anywhere) []schemas.RankedCandidate {
	all := make([]schemas.RankedCandidate, len(ranked))
	for i, c := range ranked {
		c.Gates = k.gates(active, c, same[i])
		c.Eligible = c.Running && schemas.Passes(c.Gates)
		all[i] = c
	}
	return all
}

// Estimates are the costs of the candidates that run, for intervals of any level.
func Estimates(in Inputs, app schemas.App, t schemas.Topology) ([]Estimate, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	return newKnown(in.sorted(), app, t, schemas.Load{}).measured(), nil
}
