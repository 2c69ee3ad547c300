package rank

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// minBlocks is the fewest blocks with samples that an interval can be drawn from.
const minBlocks = 3

// share is a vantage and its part of the cost.
type share struct {
	vantage string
	region  string
	weight  float64
}

// shares says which vantages count, their weights adding up to 1, and which are left out.
// A vantage with too few samples of every candidate is left out for all of them, so that one that has just come or gone leaves the rest comparable.
// As long as every vantage has too few, all that have any count, and no candidate has enough.
func shares(cells table, app schemas.App, t schemas.Topology) (counted []share, leftOut []string) {
	given := declared(app, t) == schemas.GivenWeights
	var some []share
	for _, v := range t.Vantages {
		s := share{v.Name, v.Region, 1}
		if given {
			s.weight = v.Weight
		}
		if s.weight <= 0 {
			continue
		}
		switch most := mostSamples(cells, app, v.Name); {
		case most >= needed(app.Objective.Quantile):
			counted = append(counted, s)
		case most > 0:
			some = append(some, s)
			leftOut = append(leftOut, v.Name)
		default:
			leftOut = append(leftOut, v.Name)
		}
	}
	if len(counted) == 0 {
		counted = some
		leftOut = slices.DeleteFunc(leftOut, func(name string) bool {
			return slices.ContainsFunc(some, func(s share) bool { return s.vantage == name })
		})
	}
	slices.Sort(leftOut)
	return normalised(counted), leftOut
}

// mostSamples is how many samples of the objective's kind the vantage has of the candidate it has most of.
func mostSamples(cells table, app schemas.App, vantage string) (most uint64) {
	for _, e := range app.Endpoints {
		most = max(most, cells.cell(vantage, e.Candidate(), app.Objective.Kind).worth)
	}
	return most
}

func normalised(all []share) []share {
	sum := 0.0
	for _, s := range all {
		sum += s.weight
	}
	scaled := slices.Clone(all)
	for i := range scaled {
		scaled[i].weight /= sum
	}
	return scaled
}

// term is one summand of a cost: a weight times the quantile of a cell.
type term struct {
	weight float64
	cell   *summed
	// vantage and kind are the cell's, also when nobody measured it.
	vantage, kind string
}

// terms are the summands of a candidate's cost.
func terms(cells table, app schemas.App, c schemas.Candidate, counted []share) []term {
	return append(requestTerms(cells, app, c, counted), writeTerms(cells, app, c, counted)...)
}

// requestTerms are those that stand for the request itself.
func requestTerms(cells table, app schemas.App, c schemas.Candidate, counted []share) []term {
	all := make([]term, 0, len(counted))
	for _, s := range counted {
		all = append(all, term{s.weight, cells.cell(s.vantage, c, app.Objective.Kind), s.vantage, app.Objective.Kind})
	}
	return all
}

// writeTerms are those that stand for its database writes.
func writeTerms(cells table, app schemas.App, c schemas.Candidate, counted []share) []term {
	if !writesCount(app) {
		return nil
	}
	var all []term
	kind := schemas.KindDBWrite.String()
	for _, s := range writers(cells, c, counted) {
		all = append(all, term{s.weight * app.Objective.WritesPerRequest, cells.cell(s.vantage, database(c), kind), s.vantage, kind})
	}
	return all
}

// database is what samples of a candidate's database are of: its region, whatever the variant.
func database(c schemas.Candidate) schemas.Candidate { return schemas.Candidate{Region: c.Region} }

// writers are the vantages that stand for the candidate's own database writes: those inside its region, since the app writes from there to the primary.
// A region without a vantage that measures writes is judged by all the vantages that do, and one that nobody measures by all, which then have too few samples.
func writers(cells table, c schemas.Candidate, counted []share) []share {
	var inside, measuring []share
	for _, s := range counted {
		if cells.cell(s.vantage, database(c), schemas.KindDBWrite.String()).samples == 0 {
			continue
		}
		measuring = append(measuring, s)
		if s.region == c.Region {
			inside = append(inside, s)
		}
	}
	switch {
	case len(inside) > 0:
		return normalised(inside)
	case len(measuring) > 0:
		return normalised(measuring)
	}
	return counted
}

// estimate sums a candidate's terms.
func estimate(in Inputs, c schemas.Candidate, all []term) Estimate {
	e := newEstimate(in, c)
	for _, t := range all {
		e.add(&t.cell.spread, t.weight)
	}
	return e
}

func newEstimate(in Inputs, c schemas.Candidate) Estimate {
	blocks := in.Blocks()
	luck := make([]float64, 2*blocks)
	return Estimate{Candidate: c, up: luck[:blocks:blocks], down: luck[blocks:]}
}

// add adds so many times a cell's quantile.
func (e *Estimate) add(s *spread, times float64) {
	times /= 1000
	e.CostMS += times * s.us
	e.limitMS += times * s.limitUS
	e.Censored = e.Censored || s.censored
	e.rounding += times * s.rounding
	up, down := times*s.up, times*s.down
	for b, luck := range s.luck {
		e.up[b] += luck * up
		e.down[b] += luck * down
	}
}

// join adds so many times another estimate.
func (e *Estimate) join(o Estimate, times float64) {
	e.CostMS += times * o.CostMS
	e.limitMS += times * o.limitMS
	e.Censored = e.Censored || o.Censored
	e.rounding += times * o.rounding
	for b := range e.up {
		e.up[b] += times * o.up[b]
		e.down[b] += times * o.down[b]
	}
}

// enough says whether every cell of a cost holds the samples that the quantile needs, from more than a moment.
func enough(all []term, q float64, in blocks) bool {
	return len(all) > 0 && in.count >= minBlocks &&
		!slices.ContainsFunc(all, func(t term) bool { return t.cell.worth < needed(q) })
}

// missing says what a candidate's cost needs more of.
func (k known) missing(c schemas.Candidate) string {
	var all []string
	if n := int(math.Ceil(minBlocks - k.blocks.count)); n > 0 {
		all = append(all, fmt.Sprintf("samples in %d more blocks of %s", n, time.Duration(k.in.BlockMS)*time.Millisecond))
	}
	least := needed(k.app.Objective.Quantile)
	for _, t := range terms(k.cells, k.app, c, k.countedFor(c)) {
		if t.cell.worth < least {
			all = append(all, fmt.Sprintf("%d of %d %s samples from %s", least-t.cell.worth, least, t.kind, t.vantage))
		}
	}
	return "missing: " + strings.Join(all, ", ")
}

// rounded is a number of milliseconds to the microsecond.
func rounded(ms float64) float64 { return math.Round(ms*1000) / 1000 }
