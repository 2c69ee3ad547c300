package decide

import (
	"cmp"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Preview is the plan that a dry run asks to see: decided as any other, marked as one that is never carried out.
func Preview(f Facts, e schemas.FailoverRequested) schemas.Plan {
	i := Requested(f, e)
	i.ID = "preview:" + e.Request
	if e.Lost != "" {
		f = f.suppose(e.Lost)
		i.Reason = "supposing that " + e.Lost + " is lost"
		if e.Lost == f.Route.Active.Region && e.To == (schemas.Candidate{}) {
			// Nobody asks then: automation decides, with all that holds it back.
			i.Trigger, i.Actor = schemas.TriggerAlert, ""
			if f.App.Failover.Verdicts {
				i.Trigger = schemas.TriggerVerdicts
			}
		}
	}
	p := Decide(f, i, f.Confirmed(i)).Plan
	p.ID, p.State, p.Supposed = schemas.PreviewID(e.Request), schemas.PlanPreviewed, e.Lost
	return p
}

// Requested is the incident that a person's wish opens.
func Requested(f Facts, e schemas.FailoverRequested) Incident {
	reason := e.Actor + ": " + e.Reason
	if e.DryRun {
		reason = "a preview for " + e.Actor
	}
	return Incident{
		ID: "request:" + e.Request, Trigger: schemas.TriggerRequest, Region: f.Route.Active.Region,
		Reason: reason, Actor: e.Actor, To: e.To, Force: e.Force,
	}
}

// suppose is the world in which every vantage that sees now judges a region down.
func (f Facts) suppose(lost string) Facts {
	f.Verdicts = slices.Clone(f.Verdicts)
	for i := range f.Verdicts {
		if v := &f.Verdicts[i]; v.Region == lost && v.Health != schemas.Blind {
			v.Health, v.Since, v.Reason, v.Variants = schemas.Down, f.Now, "supposed", nil
		}
	}
	return f
}

// What is kept of an app's plans. Events that come again are known by the plans they led to, so no plan goes while that may happen.
const (
	keepPlans    = 200
	keepPreviews = 10
	keepFor      = 15 * time.Minute
	// keepPreview is far longer than anyone waits for one.
	keepPreview = time.Minute
)

// Surplus are the plans of an app that need not be kept, oldest first: what ended, is not among the newest, and is not what the route was set by.
func Surplus(plans []schemas.Plan, r schemas.Route, now time.Time) []schemas.Plan {
	sorted := slices.SortedFunc(slices.Values(plans), func(a, b schemas.Plan) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	var surplus []schemas.Plan
	seen := map[bool]int{}
	for _, p := range sorted {
		preview := p.State == schemas.PlanPreviewed
		seen[preview]++
		keep, age := keepPlans, keepFor
		if preview {
			keep, age = keepPreviews, keepPreview
		}
		if seen[preview] > keep && p.State.Ended() && p.ID != r.Plan && now.Sub(p.At) > age {
			surplus = append(surplus, p)
		}
	}
	slices.Reverse(surplus)
	return surplus
}
