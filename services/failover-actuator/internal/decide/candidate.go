package decide

import (
	"fmt"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// Gates the decision itself adds, and shows only where they fail.
const (
	gateLeft     = "left"
	gateProven   = "proven"
	gateSteered  = "steered"
	gateMeasured = "measured"
)

// retryAfter is how long a candidate that failed verification is passed over.
const retryAfter = 5 * time.Minute

// candidates is the order for the active region with the gates as they are now, and the index of the first candidate that may be chosen, or -1.
func (f Facts) candidates(i Incident) (all []schemas.PlanCandidate, choice int) {
	for _, ranked := range f.ranked(i) {
		ranked.Gates = f.gates(i, ranked)
		ranked.Eligible = schemas.Passes(ranked.Gates)
		all = append(all, schemas.PlanCandidate{RankedCandidate: ranked})
	}
	choice = slices.IndexFunc(all, func(c schemas.PlanCandidate) bool { return c.Eligible && wanted(i, c.Candidate) })
	if choice < 0 && i.Force {
		choice = slices.IndexFunc(all, func(c schemas.PlanCandidate) bool { return wanted(i, c.Candidate) && f.forcible(c) })
	}
	return all, choice
}

// ranked is the ranking's order for the active region. To it a person who insists may add what was not ranked.
func (f Facts) ranked(i Incident) []schemas.RankedCandidate {
	var order []schemas.RankedCandidate
	if n := slices.IndexFunc(f.Ranking.Orders, func(o schemas.Order) bool { return o.Active == f.Route.Active.Region }); n >= 0 {
		order = slices.Clone(f.Ranking.Orders[n].Candidates)
	}
	if !i.Force {
		return order
	}
	for _, e := range f.App.Endpoints {
		known := slices.ContainsFunc(order, func(c schemas.RankedCandidate) bool { return c.Candidate == e.Candidate() })
		if !known && wanted(i, e.Candidate()) {
			order = append(order, schemas.RankedCandidate{Candidate: e.Candidate()})
		}
	}
	return order
}

// forcible says whether a person can insist on a candidate: not where traffic is already, nor where no target could send it.
func (f Facts) forcible(c schemas.PlanCandidate) bool {
	_, running := f.App.Endpoint(c.Candidate)
	return running && !slices.ContainsFunc(c.Gates, func(g schemas.Gate) bool { return g.Name == gateLeft || g.Name == gateSteered })
}

// wanted says whether an incident would have traffic go to a candidate.
func wanted(i Incident, c schemas.Candidate) bool {
	return (i.To.Region == "" || i.To.Region == c.Region) && (i.To.Variant == "" || i.To.Variant == c.Variant)
}

// gates are the ranking's gates of a candidate with those that change by the second decided anew, and the decision's own.
func (f Facts) gates(i Incident, c schemas.RankedCandidate) []schemas.Gate {
	gates := slices.Clone(c.Gates)
	gates = renewed(gates, gate.Healthy(f.App, c.Candidate, f.Verdicts, f.Presences, f.Now))
	gates = renewed(gates, gate.Image(f.App, c.Candidate, f.Images))
	if f.App.Gates.RPO > 0 {
		gates = renewed(gates, gate.Replicated(f.App, c.Region, f.Verdicts, f.Now))
	}
	if f.App.Gates.Headroom > 0 {
		gates = renewed(gates, gate.Capacity(f.App, c.Candidate, f.Load, f.Now))
	}
	gates = renewed(gates, gate.Permitted(f.App, c.Candidate, f.Overrides, f.Now))
	fail := func(name, evidence string) {
		gates = append(gates, schemas.Gate{Name: name, Result: schemas.Fail, Evidence: evidence, EvidenceAt: f.Now})
	}
	if _, running := f.App.Endpoint(c.Candidate); !running || !c.Running || !c.Enough {
		fail(gateMeasured, "it does not run, or its cost is not known well enough")
	}
	switch {
	case c.Candidate == f.Route.Active:
		fail(gateLeft, "traffic is there now")
	case i.Trigger != schemas.TriggerRequest && c.Region == i.Region:
		fail(gateLeft, "it is in the region that failed")
	}
	if target := f.unsteered(c.Candidate); target != "" {
		fail(gateSteered, "target "+target+" has no server for it")
	}
	if at := f.disproven(c.Candidate); i.Trigger != schemas.TriggerRequest && !at.IsZero() {
		fail(gateProven, fmt.Sprintf("a move to it failed verification %s ago", f.Now.Sub(at).Round(time.Second)))
	}
	return gates
}

// renewed puts a gate in the place of the older one of its name.
func renewed(gates []schemas.Gate, g schemas.Gate) []schemas.Gate {
	if n := slices.IndexFunc(gates, func(old schemas.Gate) bool { return old.Name == g.Name }); n >= 0 {
		gates[n] = g
		return gates
	}
	return append(gates, g)
}

// unsteered names a target that can not send traffic to a candidate.
func (f Facts) unsteered(c schemas.Candidate) string {
	for _, t := range f.App.Targets {
		if t.HAProxy != nil && !slices.ContainsFunc(t.HAProxy.Servers, func(s schemas.HAProxyServer) bool {
			return s.Region == c.Region && s.Variant == c.Variant
		}) {
			return t.Name
		}
	}
	return ""
}

// disproven is when a move to a candidate last failed verification, if that is not long ago.
func (f Facts) disproven(c schemas.Candidate) time.Time {
	var last time.Time
	for _, p := range f.Plans {
		failed := slices.ContainsFunc(p.Journal, func(s schemas.JournalStep) bool { return s.Name == StepVerify && s.Result == ResultFailed })
		if p.To == c && failed && f.Now.Sub(p.Times.EndedAt) < retryAfter && p.Times.EndedAt.After(last) {
			last = p.Times.EndedAt
		}
	}
	return last
}
