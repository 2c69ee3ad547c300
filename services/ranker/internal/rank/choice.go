package rank

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// published is the order for an active region with the choice in its place: before every other candidate outside that region that may be moved to.
// Where traffic would go when the region is lost is what must not change for nothing, so that only candidates outside it are chosen among.
func (k known) published(active string, all []schemas.RankedCandidate) (schemas.Order, error) {
	outside := slices.DeleteFunc(slices.Clone(all), func(c schemas.RankedCandidate) bool { return c.Region == active })
	before := k.stability(active)
	proven, doubt := k.proven(outside, before.Choice)
	next, d := k.policy.DecidePart(before, proven, k.fresher())
	if d.Raw = cheapest(outside); d.Raw != d.Choice && d.Reason == "" {
		d.Reason = doubt
	}
	kept, err := json.Marshal(next)
	return schemas.Order{
		Active: active, Choice: d.Choice, Raw: d.Raw, Warming: d.Warming, Reason: d.Reason, Stability: kept, Candidates: ahead(all, d.Choice, d.Raw),
	}, err
}

// proven has each candidate that is cheaper than the choice only by what one vantage measures cost what the choice does: a prober may be sick, or lie, and none makes
// a choice alone. It says so of the cheapest of them.
func (k known) proven(all []schemas.RankedCandidate, choice schemas.Candidate) (proven []schemas.RankedCandidate, doubt string) {
	at := slices.IndexFunc(all, func(c schemas.RankedCandidate) bool { return c.Candidate == choice && c.Enough })
	if at < 0 || len(k.counted) < 2 {
		return all, ""
	}
	proven, cost := slices.Clone(all), all[at].CostMS
	for i, c := range all {
		if !c.Enough || !c.Eligible || c.CostMS >= all[at].CostMS {
			continue
		}
		vantage := k.alone(c.Candidate, choice)
		if vantage == "" {
			continue
		}
		proven[i].CostMS, proven[i].LowMS, proven[i].HighMS = all[at].CostMS, all[at].LowMS, all[at].HighMS
		if c.CostMS < cost {
			cost, doubt = c.CostMS, fmt.Sprintf("%s leads %s only by what %s measures", c.Candidate, choice, vantage)
		}
	}
	return proven, doubt
}

// alone is a vantage without which a candidate would not be cheaper than another; empty when there is none.
func (k known) alone(cheaper, dearer schemas.Candidate) string {
	for i, s := range k.counted {
		if k.withoutEach(cheaper)[i].CostMS >= k.withoutEach(dearer)[i].CostMS {
			return s.vantage
		}
	}
	return ""
}

// cheapest is the cheapest candidate that may be moved to; none where there is none.
func cheapest(all []schemas.RankedCandidate) (name schemas.Candidate) {
	cost := math.Inf(1)
	for _, c := range all {
		if c.Eligible && c.Enough && (c.CostMS < cost || c.CostMS == cost && c.Candidate.Compare(name) < 0) {
			name, cost = c.Candidate, c.CostMS
		}
	}
	return name
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
