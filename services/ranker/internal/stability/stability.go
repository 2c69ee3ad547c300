// Package stability decides when another candidate is published as the first of an order. It is pure: it takes the raw ranking of a window and what it knew
// before, and returns the choice with its reason. It neither measures nor ranks.
package stability

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// Policy says how much evidence a newcomer needs. It is a CUSUM of squared leads: each window adds (lead/noise)² to a newcomer's evidence, or takes it away when
// the newcomer was slower, and Windows is its price. A lead as large as the noise is believed after Windows windows in a row, one half as large after four times
// as many, and one of twice the noise after a quarter, at least one.
type Policy struct {
	// MarginMS is the part of the noise that no interval knows of: a lead that is not worth moving for when it is seen once. Twice the half width of the interval of
	// the difference comes on top, in squares.
	MarginMS float64
	// Windows is how many windows in a row with a lead of the noise a newcomer needs.
	Windows int
	// Return is by how much dearer it is to come back, within Memory windows, to a candidate that was left.
	Return float64
	Memory int
}

// Default is what the backtest runs; docs/reference/ranking.md says why.
var Default = Policy{MarginMS: 0.7, Windows: 2, Return: 2.5, Memory: 4}

// State is what is known of the windows before. Its zero value knows nothing.
type State struct {
	// Seen is how many windows were seen.
	Seen   float64           `json:"seen"`
	Choice schemas.Candidate `json:"choice"`
	Past   []Past            `json:"past,omitempty"`
}

// Past is what is known of a candidate for or against which something is.
type Past struct {
	schemas.Candidate
	// Evidence is for it, against the choice.
	Evidence float64 `json:"evidence,omitempty"`
	// Left is when another took its place, counted as Seen is; 0 for never.
	Left float64 `json:"left,omitempty"`
}

// Decision is what is published.
type Decision struct {
	// Choice is the published first candidate, Raw that of this window alone; zero when no candidate is eligible.
	Choice schemas.Candidate `json:"choice"`
	Raw    schemas.Candidate `json:"raw"`
	// Warming says that there were too few windows to hold anything against the raw ranking, which is published as it is.
	Warming bool `json:"warming,omitempty"`
	// Reason is why the choice is not the raw one, or why it has changed; empty otherwise.
	Reason string `json:"reason,omitempty"`
}

// Contender is a candidate of a window's raw order.
type Contender struct {
	schemas.RankedCandidate
	// Lead is over the choice of the window before, where more is known of it than the costs tell; nil elsewhere.
	Lead *Lead
}

// Lead is by how much a candidate is cheaper than the choice.
type Lead struct {
	MS float64
	// Step says that the choice has just got so much slower than the candidate that it is believed at once.
	Step bool
}

// Decide takes the raw order of the next window, which shares no samples with the one before: a window that is shown twice would count twice.
func (p Policy) Decide(s State, order []schemas.RankedCandidate) (State, Decision) {
	all := make([]Contender, len(order))
	for i, c := range order {
		all[i].RankedCandidate = c
	}
	return p.DecidePart(s, all, 1)
}

// DecidePart takes the raw order of a window that overlaps with the one before, and counts it by the share of it that is new.
func (p Policy) DecidePart(s State, order []Contender, share float64) (State, Decision) {
	eligible := slices.DeleteFunc(slices.Clone(order), func(c Contender) bool { return !c.Eligible || !c.Enough })
	if len(eligible) == 0 {
		return s, Decision{Reason: "no candidate with enough samples passes every gate"}
	}
	raw := slices.MinFunc(eligible, func(a, b Contender) int {
		return cmp.Or(cmp.Compare(a.CostMS, b.CostMS), a.Candidate.Compare(b.Candidate))
	})
	s.Seen += share
	d := Decision{Choice: raw.Candidate, Raw: raw.Candidate, Warming: s.Seen <= float64(p.Windows)}
	i := slices.IndexFunc(eligible, func(c Contender) bool { return c.Candidate == s.Choice })
	switch {
	case d.Warming:
		s.Past = p.weighed(s, raw, eligible, share)
	case i < 0:
		s.Past = p.weighed(s, raw, eligible, share)
		d.Reason = fmt.Sprintf("%s is no longer eligible", s.Choice)
	default:
		s.Past = p.weighed(s, eligible[i], eligible, share)
		d.Choice, d.Reason = p.choose(s, eligible[i], eligible)
	}
	return s.moved(d.Choice), d
}

// weighed returns what is known of every candidate after this window, with the evidence for it against the choice. One that is not eligible has to begin anew.
func (p Policy) weighed(s State, choice Contender, eligible []Contender, share float64) []Past {
	var all []Past
	for _, before := range s.Past {
		absent := !slices.ContainsFunc(eligible, func(c Contender) bool { return c.Candidate == before.Candidate })
		if absent && p.remembers(s, before) {
			all = append(all, Past{Candidate: before.Candidate, Left: before.Left})
		}
	}
	for _, c := range eligible {
		before := s.past(c.Candidate)
		now := Past{Candidate: c.Candidate}
		if p.remembers(s, before) {
			now.Left = before.Left
		}
		if c.Candidate != choice.Candidate {
			now.Evidence = max(0, before.Evidence+share*p.evidence(s.lead(choice, c), half(choice, c)), p.stepped(s, choice, c))
		}
		if now.Evidence > 0 || now.Left > 0 {
			all = append(all, now)
		}
	}
	return all
}

func (p Policy) remembers(s State, past Past) bool {
	return past.Left > 0 && s.Seen-past.Left <= float64(p.Memory)
}

// lead is that of the newcomer c over the choice.
func (s State) lead(choice, c Contender) Lead {
	if c.Lead != nil && choice.Candidate == s.Choice {
		return *c.Lead
	}
	return Lead{MS: choice.CostMS - c.CostMS}
}

// half is the half width of the interval of the difference.
func half(choice, c Contender) float64 {
	return math.Hypot(choice.HighMS-choice.LowMS, c.HighMS-c.LowMS) / 2
}

// evidence is what one window says for a newcomer with a lead over the choice, or against it. A lead that their 95 % intervals can explain says nothing; the other way
// round it does, so that two equal candidates drift back to no evidence.
func (p Policy) evidence(l Lead, half float64) float64 {
	if l.MS >= 0 && l.MS <= half {
		return 0
	}
	return l.MS * math.Abs(l.MS) / (p.MarginMS*p.MarginMS + 4*half*half)
}

// stepped is the whole price at once where the choice has just got slower.
func (p Policy) stepped(s State, choice, c Contender) float64 {
	if s.lead(choice, c).Step {
		return float64(p.Windows) * p.Return
	}
	return 0
}

// choose returns the candidate with the largest lead of those that have paid their price, with the reason to change or not to.
func (p Policy) choose(s State, choice Contender, eligible []Contender) (schemas.Candidate, string) {
	name, reason, moved, waits := choice.Candidate, "", 0.0, 0.0
	for _, c := range eligible {
		past, price, lead := s.past(c.Candidate), float64(p.Windows), s.lead(choice, c).MS
		if past.Left > 0 {
			price *= p.Return
		}
		says := fmt.Sprintf("%s leads %s by %.2f ms, evidence %.2f of %.2f", c.Candidate, choice.Candidate, lead, past.Evidence, price)
		switch {
		case past.Evidence >= price && lead > moved:
			name, moved, reason = c.Candidate, lead, says
		case name == choice.Candidate && lead > waits:
			waits, reason = lead, says
		}
	}
	return name, reason
}

func (s State) past(c schemas.Candidate) Past {
	for _, p := range s.Past {
		if p.Candidate == c {
			return p
		}
	}
	return Past{Candidate: c}
}

// moved is the state with another choice. The evidence was against the choice before, so what the new one had is taken off that of the others.
func (s State) moved(choice schemas.Candidate) State {
	if choice == s.Choice {
		return s
	}
	paid := s.past(choice).Evidence
	var all []Past
	for _, p := range s.Past {
		if p.Evidence = max(0, p.Evidence-paid); p.Candidate != s.Choice {
			all = append(all, p)
		}
	}
	if s.Choice != (schemas.Candidate{}) {
		left := s.past(s.Choice)
		left.Evidence, left.Left = 0, s.Seen
		all = append(all, left)
	}
	s.Choice, s.Past = choice, all
	return s
}
