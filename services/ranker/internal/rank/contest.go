package rank

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leeward-failover/leeward/schemas"
)

// contested is the level up to which a candidate that the data do not tell from the first takes part in the bootstrap.
const contested = 0.999

// lead is by how many milliseconds a candidate is cheaper than another, and how much of that luck can explain.
type lead struct{ ms, deviation, t float64 }

// lead compares two candidates block by block, so that luck that both had cancels out.
func (k known) lead(cheaper, dearer Estimate, t float64) lead {
	variance := k.apart.factor*residue(difference(cheaper, dearer)) + cheaper.rounding*cheaper.rounding + dearer.rounding*dearer.rounding
	return lead{dearer.CostMS - cheaper.CostMS, math.Sqrt(variance), t}
}

// difference is by how much each block's luck has moved two candidates together, or apart if it is negative.
func difference(cheaper, dearer Estimate) []float64 {
	all := make([]float64, len(cheaper.up))
	for b := range all {
		all[b] = dearer.down[b] - cheaper.up[b]
	}
	return all
}

// differences are those of all candidates from the cheapest, which is the first of them.
func differences(all []Estimate) (series [][]float64) {
	for i := 1; i < len(all); i++ {
		series = append(series, difference(all[0], all[i]))
	}
	return series
}

// clear says whether luck can not explain the lead.
func (l lead) clear() bool { return l.ms > l.t*l.deviation && l.ms > 0 }

// rivals compares candidates with the first of their rank, with all vantages and without each.
type rivals struct {
	known
	first   Estimate
	without []Estimate
	t       float64
}

func (k known) rivals(first schemas.Candidate) rivals {
	return rivals{known: k, first: k.estimates[first], without: k.withoutEach(first), t: k.apart.t(level)}
}

// withoutEach are a candidate's estimates without each of the vantages that count in turn.
func (k known) withoutEach(c schemas.Candidate) []Estimate {
	all, ok := k.without[c]
	if !ok {
		requests := requestTerms(k.cells, k.app, c, k.countedFor(c))
		whole := estimate(k.in, c, requests)
		all = make([]Estimate, len(k.counted))
		for i, s := range k.counted {
			all[i] = k.withoutOne(whole, requests, s.vantage)
		}
		k.without[c] = all
	}
	return all
}

// withoutOne takes a vantage's term off the whole of the requests, and sums the writes anew: without it others may stand for them.
func (k known) withoutOne(whole Estimate, requests []term, vantage string) Estimate {
	e := estimate(k.in, whole.Candidate, k.writesWithout(whole.Candidate, vantage))
	i := slices.IndexFunc(requests, func(t term) bool { return t.vantage == vantage })
	switch {
	case i < 0:
		e.join(whole, 1)
	case len(requests) > 1:
		part := requests[i].weight
		e.join(whole, 1/(1-part))
		e.add(&requests[i].cell.spread, -part/(1-part))
	}
	return e
}

func (k known) writesWithout(c schemas.Candidate, vantage string) []term {
	if !writesCount(k.app) {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(k.countedFor(c)), func(s share) bool { return s.vantage == vantage })
	return writeTerms(k.cells, k.app, c, normalised(rest))
}

// doubt says why the data can not tell that the first is cheaper than another, or nothing if they can.
// No vantage makes a winner alone: the lead must be clear without any one of them, since a prober may be sick, or lie.
func (r rivals) doubt(c schemas.Candidate) string {
	says := ""
	switch l := r.lead(r.first, r.estimates[c], r.t); {
	case !l.clear():
		says = l.String()
	case len(r.counted) == 1:
		says = "only " + r.counted[0].vantage + " measures them"
	default:
		for i, s := range r.counted {
			if l := r.lead(r.without[i], r.withoutEach(c)[i], r.t); !l.clear() {
				says = fmt.Sprintf("without %s %s", s.vantage, l)
				break
			}
		}
	}
	if says == "" {
		return ""
	}
	return fmt.Sprintf("tie with %s: %s", r.first.Candidate, says)
}

func (l lead) String() string {
	return fmt.Sprintf("%.3g ms apart, 95 %% interval from %.3g to %.3g", l.ms, l.ms-l.t*l.deviation, l.ms+l.t*l.deviation)
}

// odds are a candidate's chance of being the best and what choosing it costs on average over the best.
type odds struct{ best, regret float64 }

// contest draws the luck of the blocks again and again for all candidates that may be the best. All have the same luck in a draw, so that a slow minute which hit
// all of them makes none look worse than another. It is as large as the noise asks for, with the tails of Student's t.
func (k known) contest() map[schemas.Candidate]odds {
	all := k.measured()
	if len(all) == 0 {
		return nil
	}
	first, t := all[0], k.apart.t(contested)
	var open []Estimate
	for _, e := range all {
		if e.Candidate == first.Candidate || !k.lead(first, e, t).clear() {
			open = append(open, e)
		}
	}
	wins, least := k.play(open)
	result := make(map[schemas.Candidate]odds, len(all))
	for _, e := range all {
		result[e.Candidate] = odds{best: math.Round(wins[e.Candidate]*1e4) / 1e4, regret: rounded(max(0, e.CostMS-least))}
	}
	return result
}

// measured are the estimates that stand on enough samples, the cheapest first.
func (k known) measured() []Estimate {
	var all []Estimate
	for _, e := range k.estimates {
		if e.Enough {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Estimate) int {
		return cmp.Or(cmp.Compare(a.CostMS, b.CostMS), a.Candidate.Compare(b.Candidate))
	})
	return all
}

// play returns how often each candidate won, and the mean cost of the winner.
func (k known) play(open []Estimate) (wins map[schemas.Candidate]float64, least float64) {
	wins = map[schemas.Candidate]float64{}
	if len(open) == 1 {
		wins[open[0].Candidate] = 1
		return wins, open[0].CostMS
	}
	random := rand.New(rand.NewPCG(k.in.Seed, uint64(k.in.Draws)))
	chi := distuv.ChiSquared{K: k.apart.freedom, Src: random}
	luck := make([]float64, k.in.Blocks())
	for range k.in.Draws {
		deviation := math.Sqrt(k.apart.factor * k.apart.freedom / chi.Rand())
		for b := range luck {
			luck[b] = deviation * random.NormFloat64()
		}
		best, lowest := -1, math.Inf(1)
		for i := range open {
			if cost := open[i].drawn(luck) + open[i].rounding*random.NormFloat64(); cost < lowest {
				best, lowest = i, cost
			}
		}
		wins[open[best].Candidate] += 1 / float64(k.in.Draws)
		least += lowest / float64(k.in.Draws)
	}
	return wins, least
}

// drawn is what the cost may be when each block counts more or less than it did.
func (e Estimate) drawn(luck []float64) float64 {
	up, down := 0.0, 0.0
	for b, l := range luck {
		up += l * e.up[b]
		down += l * e.down[b]
	}
	return min(max(0, e.CostMS+max(0, up)+min(0, down)), e.limitMS)
}
