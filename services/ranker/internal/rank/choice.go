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

// proven says of each candidate what its lead over the choice is beside what the costs tell. One that is cheaper only by what one vantage measures has none: a prober
// may be sick, or lie, and none makes a choice alone. Nor has one that has just got slower than its window says. It says so of the cheapest of them.
func (k known) proven(all []schemas.RankedCandidate, choice schemas.Candidate) (proven []stability.Contender, doubt string) {
	proven = make([]stability.Contender, len(all))
	for i, c := range all {
		proven[i].RankedCandidate = c
	}
	at := slices.IndexFunc(all, func(c schemas.RankedCandidate) bool { return c.Candidate == choice && c.Enough })
	if at < 0 {
		return proven, ""
	}
	cost := all[at].CostMS
	course := k.course(choice)
	for i, c := range all {
		if !c.Enough || !c.Eligible || c.Candidate == choice {
			continue
		}
		lead, why := k.over(course, all[at], c)
		proven[i].Lead = lead
		if why != "" && c.CostMS < cost {
			cost, doubt = c.CostMS, why
		}
	}
	return proven, doubt
}

// over is the lead of a candidate over the choice where it is not the difference of their costs, and why it has none though its window is cheaper.
func (k known) over(course course, choice, c schemas.RankedCandidate) (lead *stability.Lead, why string) {
	cheaper := c.CostMS < choice.CostMS
	if !cheaper && !course.rises() {
		return nil, ""
	}
	switch s, found := k.shift(course, k.course(c.Candidate)); {
	case found && s.regression():
		return &stability.Lead{MS: s.leadMS, Step: true}, ""
	case found:
		return &stability.Lead{MS: min(0, s.leadMS)}, fmt.Sprintf("%s led %s before it got slower", c.Candidate, choice.Candidate)
	case cheaper && len(k.counted) > 1:
		if vantage := k.alone(c.Candidate, choice.Candidate); vantage != "" {
			return &stability.Lead{}, fmt.Sprintf("%s leads %s only by what %s measures", c.Candidate, choice.Candidate, vantage)
		}
	}
	return nil, ""
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
	unseen := float64(min(max(since, 0), k.in.WindowMS))
	if half := float64(k.app.Objective.HalfLife.D().Milliseconds()); half > 0 {
		return (1 - math.Exp2(-unseen/half)) / (1 - math.Exp2(-float64(k.in.WindowMS)/half))
	}
	return unseen / float64(k.in.WindowMS)
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
