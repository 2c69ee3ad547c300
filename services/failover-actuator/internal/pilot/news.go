package pilot

import (
	"context"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
)

// planned tells of a decision, as it was before anything was done.
func (p *Pilot) planned(plan schemas.Plan) func(context.Context) error {
	if plan.State != schemas.PlanRefused {
		plan.State = schemas.PlanPlanned
	}
	plan.Journal = slices.Clone(plan.Journal)
	for n, s := range plan.Journal {
		plan.Journal[n] = schemas.JournalStep{Name: s.Name, Target: s.Target, Detail: s.Detail}
	}
	e := schemas.FailoverPlanned{Plan: plan, At: plan.At}
	return func(ctx context.Context) error { return bus.Publish(ctx, p.Bus, schemas.FailoverPlannedTopic, e) }
}

// stepped tells of a step that ended.
func (p *Pilot) stepped(plan schemas.Plan, n int) func(context.Context) error {
	s := plan.Journal[n]
	e := schemas.FailoverStepped{App: plan.App, Plan: plan.ID, Step: s, Number: n, Epoch: plan.Epoch, At: s.EndedAt}
	return func(ctx context.Context) error { return bus.Publish(ctx, p.Bus, schemas.FailoverSteppedTopic, e) }
}

// finished tells how a plan ended.
func (p *Pilot) finished(plan schemas.Plan) func(context.Context) error {
	e := schemas.FailoverFinished{
		App: plan.App, Plan: plan.ID, Epoch: plan.Epoch, Trigger: plan.Trigger, From: plan.From, To: plan.To,
		State: plan.State, Reason: plan.Reason, Times: plan.Times, At: plan.Times.EndedAt,
	}
	return func(ctx context.Context) error { return bus.Publish(ctx, p.Bus, schemas.FailoverFinishedTopic, e) }
}

// retellFor is shorter than the time in which the bus knows an event again, so that telling twice is telling once.
const retellFor = 8 * time.Minute

// retell tells the news of the last minutes again: whoever made them may have ended before they were sent.
func (p *Pilot) retell() {
	for _, plan := range p.plans {
		if time.Since(plan.At) > retellFor {
			continue
		}
		p.Outbox.Put(p.planned(plan))
		for n, s := range plan.Journal {
			if s.Result != "" && s.Result != decide.ResultStarted {
				p.Outbox.Put(p.stepped(plan, n))
			}
		}
		if plan.State.Ended() && plan.State != schemas.PlanRefused {
			p.Outbox.Put(p.finished(plan))
		}
	}
}
