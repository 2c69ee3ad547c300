package rank

import (
	"cmp"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// order sorts candidates and gives each its rank. Those with enough samples come first, by cost; then those with too few; those not running are last.
// Candidates whose intervals overlap that of the first of their group share its rank; where the data say nothing, all share one.
func order(all []schemas.RankedCandidate) []schemas.RankedCandidate {
	all = slices.SortedFunc(slices.Values(all), func(a, b schemas.RankedCandidate) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(a.CostMS, b.CostMS), a.Candidate.Compare(b.Candidate))
	})
	first := 0
	for i := range all {
		if !tied(all[first], all[i]) {
			first = i
		}
		all[i].Rank = first + 1
	}
	return all
}

// The classes of candidates, best first.
const (
	measured = iota
	guessed
	absent
)

func class(c schemas.RankedCandidate) int {
	switch {
	case !c.Running:
		return absent
	case !c.Enough:
		return guessed
	}
	return measured
}

// tied says whether the data can not tell two candidates apart.
func tied(a, b schemas.RankedCandidate) bool {
	if class(a) != class(b) {
		return false
	}
	return class(a) != measured || a.LowMS <= b.HighMS && b.LowMS <= a.HighMS
}

// Contradicts says whether a ranking's order is no longer the published one: two candidates have changed sides, or one came or went.
// Candidates that only change places within a tie do not count.
func Contradicts(published, current []schemas.RankedCandidate) bool {
	if len(published) != len(current) {
		return true
	}
	highest := 0
	for _, p := range published {
		i := slices.IndexFunc(current, func(c schemas.RankedCandidate) bool { return c.Candidate == p.Candidate })
		if i < 0 || current[i].Rank < highest {
			return true
		}
		highest = current[i].Rank
	}
	return false
}

// Eligible lists the eligible candidates by name.
func Eligible(all []schemas.RankedCandidate) []schemas.Candidate {
	eligible := []schemas.Candidate{}
	for _, c := range all {
		if c.Eligible {
			eligible = append(eligible, c.Candidate)
		}
	}
	slices.SortFunc(eligible, schemas.Candidate.Compare)
	return eligible
}
