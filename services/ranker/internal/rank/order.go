package rank

import (
	"cmp"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// order sorts candidates and gives each its rank. Those with enough samples come first, by cost; then those with too few; those not running are last.
// Candidates that the data can not tell from the first of their group share its rank; where the data say nothing, all share one.
func (k known) order(all []schemas.RankedCandidate) []schemas.RankedCandidate {
	all = slices.SortedFunc(slices.Values(all), func(a, b schemas.RankedCandidate) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(a.CostMS, b.CostMS), a.Candidate.Compare(b.Candidate))
	})
	first, rivals := 0, rivals{}
	for i := range all {
		switch c := &all[i]; {
		case i == 0 || class(all[first]) != class(*c):
			first = i
		case class(*c) == measured:
			if c.Doubt = rivals.doubt(c.Candidate); c.Doubt == "" {
				first = i
			}
		}
		if first == i && class(all[i]) == measured {
			rivals = k.rivals(all[i].Candidate)
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

// Outlives says whether a ranking is worth more than the one that follows it: it knew something of the same topology not long ago, and its follower,
// ranked after an outage of the probers or of the whole stack, knows nothing of anybody.
func Outlives(previous, next schemas.Ranking, limit time.Duration) bool {
	same := previous.Topology == next.Topology || previous.Declared != "" && previous.Declared == next.Declared
	return informed(previous) && !informed(next) && same && next.At.Sub(previous.At) <= limit
}

// informed says whether there were enough samples of any candidate.
func informed(r schemas.Ranking) bool {
	return slices.ContainsFunc(r.Orders, func(o schemas.Order) bool {
		return slices.ContainsFunc(o.Candidates, func(c schemas.RankedCandidate) bool { return c.Enough })
	})
}

// Changed says whether an order is no longer the one of the ranking before: its choice is another, two of the others have changed sides, one came or went, or
// another set passes every gate. Candidates that only change places within a tie do not count.
func Changed(before schemas.Ranking, now schemas.Order) bool {
	i := slices.IndexFunc(before.Orders, func(o schemas.Order) bool { return o.Active == now.Active })
	if i < 0 {
		return true
	}
	was := before.Orders[i]
	return was.Choice != now.Choice || contradicts(others(was), others(now)) || !slices.Equal(Eligible(was.Candidates), Eligible(now.Candidates))
}

// Tells says whether a ranking tells its readers something that the one before did not: an order, a gate, a candidate with enough samples, or a cost outside the
// interval that was published.
func Tells(before, now schemas.Ranking) bool {
	if before.Topology != now.Topology || len(before.Orders) != len(now.Orders) || len(before.Warnings) != len(now.Warnings) {
		return true
	}
	for i, o := range now.Orders {
		was := before.Orders[i]
		if Changed(before, o) || was.Raw != o.Raw || was.Warming != o.Warming || slices.ContainsFunc(o.Candidates, func(c schemas.RankedCandidate) bool { return differs(was, c) }) {
			return true
		}
	}
	return false
}

// differs says whether a candidate is no longer as it was in an order, apart from its place.
func differs(was schemas.Order, now schemas.RankedCandidate) bool {
	i := slices.IndexFunc(was.Candidates, func(c schemas.RankedCandidate) bool { return c.Candidate == now.Candidate })
	if i < 0 {
		return true
	}
	c := was.Candidates[i]
	same := func(a, b schemas.Gate) bool { return a.Name == b.Name && a.Result == b.Result }
	return c.Running != now.Running || c.Enough != now.Enough || now.CostMS < c.LowMS || now.CostMS > c.HighMS || !slices.EqualFunc(c.Gates, now.Gates, same)
}

// others are the candidates of an order but its choice, whose place is not by cost alone.
func others(o schemas.Order) []schemas.RankedCandidate {
	return slices.DeleteFunc(slices.Clone(o.Candidates), func(c schemas.RankedCandidate) bool { return c.Candidate == o.Choice })
}

// contradicts says whether the ranks no longer allow the sequence that was published.
func contradicts(published, current []schemas.RankedCandidate) bool {
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

// Names lists the candidates in their order.
func Names(all []schemas.RankedCandidate) []schemas.Candidate {
	names := make([]schemas.Candidate, len(all))
	for i, c := range all {
		names[i] = c.Candidate
	}
	return names
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
