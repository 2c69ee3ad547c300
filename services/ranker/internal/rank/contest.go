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
	variance := k.apart.factor*squares(steady(difference(cheaper, dearer))) + cheaper.rounding*cheaper.rounding + dearer.rounding*dearer.rounding
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
	r := rivals{known: k, first: k.estimates[first], t: k.apart.t(level)}
	for _, s := range k.counted {
		r.without = append(r.without, k.estimate(first, s.vantage))
	}
	return r
}

// estimate is that of a candidate without one of the vantages.
func (k known) estimate(c schemas.Candidate, without string) Estimate {
	rest := normalised(slices.DeleteFunc(slices.Clone(k.countedFor(c)), func(s share) bool { return s.vantage == without }))
	return estimate(k.in, c, terms(k.cells, k.app, c, rest))
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
			if l := r.lead(r.without[i], r.estimate(c, s.vantage), r.t); !l.clear() {
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

// contest plays the blocks again and again for all candidates that may be the best: the paired bootstrap over blocks. All candidates use the same draws,
// so that a slow minute which hit all of them makes none look worse than another. Draws are spread as far as the noise asks for, with the tails of Student's t.
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
	all := make([][]term, len(open))
	for i, e := range open {
		all[i] = terms(k.cells, k.app, e.Candidate, k.countedFor(e.Candidate))
	}
	weights := make([]float64, k.in.Blocks())
	for range k.in.Draws {
		variance := k.apart.factor * k.apart.freedom / chi.Rand()
		gamma := distuv.Gamma{Alpha: max(1/variance-1/float64(len(k.live)), 0.1), Beta: 1, Src: random}
		for _, b := range k.live {
			weights[b] = gamma.Rand()
		}
		best, lowest := -1, math.Inf(1)
		for i, e := range open {
			cost := e.rounding * random.NormFloat64()
			for _, t := range all[i] {
				cost += t.weight * t.cell.mass.quantile(k.app.Objective.Quantile, weights).us / 1000
			}
			if cost < lowest {
				best, lowest = i, cost
			}
		}
		wins[open[best].Candidate] += 1 / float64(k.in.Draws)
		least += lowest / float64(k.in.Draws)
	}
	return wins, least
}
