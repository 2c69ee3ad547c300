package rank

import (
	"encoding/json"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// published is the order for an active region with the choice in its place: before every other candidate outside that region that may be moved to.
// Where traffic would go when the region is lost is what must not change for nothing, so that only candidates outside it are chosen among.
func (k known) published(active string, all []schemas.RankedCandidate) (schemas.Order, error) {
	outside := slices.DeleteFunc(slices.Clone(all), func(c schemas.RankedCandidate) bool { return c.Region == active })
	next, d := k.policy.DecidePart(k.stability(active), outside, k.fresher())
	kept, err := json.Marshal(next)
	return schemas.Order{
		Active: active, Choice: d.Choice, Raw: d.Raw, Warming: d.Warming, Reason: d.Reason, Stability: kept, Candidates: ahead(all, d.Choice, d.Raw),
	}, err
}

// stability is what the ranking before knew. One that can not be read was written by another release, and everything begins anew.
func (k known) stability(active string) (s stability.State) {
	i := slices.IndexFunc(k.state.Previous.Orders, func(o schemas.Order) bool { return o.Active == active })
	if i < 0 || json.Unmarshal(k.state.Previous.Orders[i].Stability, &s) != nil {
		return stability.State{}
	}
	return s
}

// fresher is the share of the window that the ranking before did not see. Windows overlap, and what was seen twice must not count twice.
func (k known) fresher() float64 {
	if k.state.Previous.At.IsZero() {
		return 1
	}
	since := k.in.End.Sub(k.state.Previous.At).Milliseconds()
	return float64(min(max(since, 0), k.in.WindowMS)) / float64(k.in.WindowMS)
}

// ahead moves the choice in front of the raw choice.
func ahead(all []schemas.RankedCandidate, choice, raw schemas.Candidate) []schemas.RankedCandidate {
	at := func(name schemas.Candidate) int {
		return slices.IndexFunc(all, func(c schemas.RankedCandidate) bool { return c.Candidate == name })
	}
	from, to := at(choice), at(raw)
	if from <= to {
		return all
	}
	moved := all[from]
	return slices.Insert(slices.Delete(slices.Clone(all), from, from+1), to, moved)
}
