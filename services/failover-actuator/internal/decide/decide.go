package decide

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Cause is why there is no plan; empty when there is one. An incident records each cause once, however often it is decided anew.
type Cause string

// The causes of a refusal.
const (
	Unconfirmed Cause = "unconfirmed"
	Frozen      Cause = "frozen"
	Cooling     Cause = "cooling"
	Stale       Cause = "stale"
	There       Cause = "there"
	NoCandidate Cause = "no candidate"
	Observing   Cause = "observing"
)

// Decision is a plan in state planned, or a refused one with its cause.
type Decision struct {
	Plan  schemas.Plan
	Cause Cause
}

// Decide decides an incident by the facts. The same incident, epoch and cause always make the same plan id, so that a decision made twice is one.
func Decide(f Facts, i Incident, q Quorum) Decision {
	p := schemas.Plan{
		App: f.App.Name, Incident: i.ID, Trigger: i.Trigger, Actor: i.Actor, From: f.Route.Active, Epoch: f.Route.Epoch.Next(),
		State: schemas.PlanPlanned, Topology: f.Topology.Hash(), RankingAt: f.Ranking.At, Quorum: q.Votes, At: f.Now,
		Reason: reason(i, q),
		Times:  schemas.PlanTimes{AlertAt: i.AlertAt, FirstDownAt: q.FirstDown, PlannedAt: f.Now},
	}
	var choice int
	p.Candidates, choice = f.candidates(i)
	cause, why := f.refusal(i, q, p.Candidates, choice)
	if choice >= 0 && cause == "" {
		p.Candidates[choice].Chosen = true
		p.To = p.Candidates[choice].Candidate
		p.Journal = journal(f.App, p, q.Down)
		if past := f.overridden(i, p.Candidates[choice]); past != "" {
			p.Forced = true
			p.Reason = "forced past " + past + "; " + p.Reason
		}
		if f.App.Mode != "auto" {
			cause, why = Observing, fmt.Sprintf("the app is in mode %s: traffic would have moved to %s", f.App.Mode, p.To)
			p.To, p.Journal = schemas.Candidate{}, nil
		}
	}
	if cause != "" {
		p.State, p.Reason = schemas.PlanRefused, why+"; "+p.Reason
	}
	p.ID = PlanID(i.ID, p.Epoch, cause)
	return Decision{Plan: p, Cause: cause}
}

// PlanID is the id of what an incident comes to under an epoch: a plan, or a refusal for a cause.
func PlanID(incident string, e schemas.Epoch, cause Cause) string {
	return ID("plan", incident, fmt.Sprint(e), string(cause))
}

// ID makes an id from what it stands for.
func ID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:10])
}

func reason(i Incident, q Quorum) string {
	return fmt.Sprintf("%s; %d of %d sighted vantages say %s is down", i.Reason, q.Accusing, q.Sighted, i.Region)
}

// refusal says why there is to be no move, if so. People are exempt from what holds automation back, never from the gates.
func (f Facts) refusal(i Incident, q Quorum, candidates []schemas.PlanCandidate, choice int) (Cause, string) {
	if i.Trigger != schemas.TriggerRequest {
		if cause, why := f.restraint(q); cause != "" {
			return cause, why
		}
	}
	if why, old := f.stale(); why != "" && !i.Force && (!old || i.To.Region == "") {
		return Stale, why
	}
	if choice >= 0 {
		return "", ""
	}
	if i.Trigger == schemas.TriggerRequest && wanted(i, f.Route.Active) && i.To != (schemas.Candidate{}) {
		return There, "traffic is already in " + f.Route.Active.String()
	}
	return NoCandidate, "no candidate passes every gate" + nearest(i, candidates)
}

// restraint is what holds automation back.
func (f Facts) restraint(q Quorum) (Cause, string) {
	if !q.Down {
		if q.Sighted < f.App.Failover.MinVantages {
			return Unconfirmed, fmt.Sprintf("the vantages do not confirm: %d are sighted and %d are needed", q.Sighted, f.App.Failover.MinVantages)
		}
		return Unconfirmed, fmt.Sprintf("the vantages do not confirm: %d of %d sighted say down", q.Accusing, q.Sighted)
	}
	if down, cells := f.down(); len(f.Topology.Regions) >= 3 && 2*down > cells {
		return Frozen, fmt.Sprintf("half of everything looks down (%d of %d): suspecting the probes", down, cells)
	}
	if left := f.cooling(); left > 0 {
		return Cooling, fmt.Sprintf("cooling down for another %s after the last automatic failover", left.Round(time.Second))
	}
	return "", ""
}

// down counts the regions of all apps that a quorum judges down, among those anyone sees.
func (f Facts) down() (down, cells int) {
	for _, app := range f.Topology.Apps {
		other := f
		other.App = app
		for _, region := range app.Regions() {
			q := other.Accused(region)
			if q.Sighted > 0 {
				cells++
			}
			if q.Down {
				down++
			}
		}
	}
	return down, cells
}

// cooling is how long the app still has to rest from its last automatic failover. Attempts that did not succeed do not count.
func (f Facts) cooling() time.Duration {
	var left time.Duration
	for _, p := range f.Plans {
		if p.State == schemas.PlanFinished && p.Trigger != schemas.TriggerRequest {
			left = max(left, p.Times.EndedAt.Add(f.App.Failover.CoolDown.D()).Sub(f.Now))
		}
	}
	return left
}

// stale says why the ranking is not to be chosen by, if so, and whether it is merely old: whoever names a region has chosen without it.
func (f Facts) stale() (why string, old bool) {
	limit := f.App.Failover.MaxRankingAge.D()
	switch age := f.Now.Sub(f.Ranking.At); {
	case f.Ranking.At.IsZero():
		return "there is no ranking", false
	case !f.Ranking.Of(f.Topology):
		return "the ranking was made for another topology", false
	case age > limit:
		return fmt.Sprintf("the ranking is %s old, more than %s", age.Round(time.Second), limit), true
	}
	return "", false
}

// overridden names what a person who insists is let past.
func (f Facts) overridden(i Incident, c schemas.PlanCandidate) string {
	if !i.Force {
		return ""
	}
	var past []string
	if why, old := f.stale(); why != "" && !old {
		past = append(past, why)
	}
	for _, g := range c.Gates {
		if g.Result != schemas.Pass {
			past = append(past, fmt.Sprintf("%s (%s)", g.Name, cmp.Or(g.Evidence, string(g.Result))))
		}
	}
	return strings.Join(past, ", ")
}

// nearest names what the best of the wanted candidates lacks.
func nearest(i Incident, candidates []schemas.PlanCandidate) string {
	n := slices.IndexFunc(candidates, func(c schemas.PlanCandidate) bool { return wanted(i, c.Candidate) })
	if n < 0 {
		return ": none is ranked"
	}
	for _, g := range candidates[n].Gates {
		if g.Result != schemas.Pass {
			return fmt.Sprintf(": %s fails %s (%s)", candidates[n].Candidate, g.Name, cmp.Or(g.Evidence, string(g.Result)))
		}
	}
	return ""
}
