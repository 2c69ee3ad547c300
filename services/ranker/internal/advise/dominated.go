package advise

import (
	"cmp"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

func dominated(all []played) (found []Dominated) {
	seen := map[schemas.Candidate]int{}
	beats := map[[2]schemas.Candidate]int{}
	costs := map[schemas.Candidate][]float64{}
	for _, p := range all {
		known := measured(p.Ranking)
		for name, c := range known {
			seen[name]++
			costs[name] = append(costs[name], c.CostMS)
			for other, o := range known {
				if other != name && better(p.Ranking, o, c) {
					beats[[2]schemas.Candidate{other, name}]++
				}
			}
		}
	}
	for name, n := range seen {
		d := Dominated{Candidate: name, Rankings: n}
		var by []schemas.Candidate
		for other := range seen {
			if n >= few && beats[[2]schemas.Candidate{other, name}] == n {
				by = append(by, other)
			}
		}
		if len(by) == 0 {
			continue
		}
		d.By = slices.MinFunc(by, func(a, b schemas.Candidate) int {
			return cmp.Or(cmp.Compare(median(costs[a]), median(costs[b])), a.Compare(b))
		})
		for _, other := range by {
			if other.Region != name.Region && !slices.Contains(d.Regions, other.Region) {
				d.Regions = append(d.Regions, other.Region)
			}
		}
		slices.Sort(d.Regions)
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b Dominated) int { return a.Candidate.Compare(b.Candidate) })
	return found
}

// eligible are the active regions for which a candidate may be moved to.
func eligible(r schemas.Ranking, name schemas.Candidate) (actives []string) {
	for _, o := range r.Orders {
		if slices.ContainsFunc(o.Candidates, func(c schemas.RankedCandidate) bool { return c.Candidate == name && c.Eligible }) {
			actives = append(actives, o.Active)
		}
	}
	return actives
}

// better says whether a was clearly cheaper than b, and passed wherever b did.
func better(r schemas.Ranking, a, b schemas.RankedCandidate) bool {
	passed := eligible(r, a.Candidate)
	return a.HighMS < b.LowMS && !slices.ContainsFunc(eligible(r, b.Candidate), func(active string) bool { return !slices.Contains(passed, active) })
}
