package pilot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/execute"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/target"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/verify"
)

// refuse records a decision to do nothing. The same decision is recorded once.
func (p *Pilot) refuse(ctx context.Context, plan schemas.Plan) error {
	_, err := bus.Put(ctx, p.Bus, schemas.PlanBucket, plan, bus.Condition{Revision: bus.At(0)})
	if errors.Is(err, bus.ErrConflict) {
		p.plans[plan.ID] = plan
		return nil
	}
	if err != nil {
		return err
	}
	p.plans[plan.ID] = plan
	p.Outbox.Put(p.planned(plan))
	p.Meter.ended(plan)
	p.Log.Warn().Str("plan", plan.ID).Str("trigger", plan.Trigger).Str("reason", plan.Reason).Msg("failover refused")
	return nil
}

// preview records a plan for whoever asked to see it. Nobody else is told: nothing was decided.
func (p *Pilot) preview(ctx context.Context, plan schemas.Plan) error {
	_, err := bus.Put(ctx, p.Bus, schemas.PlanBucket, plan, bus.Condition{Revision: bus.At(0)})
	if errors.Is(err, bus.ErrConflict) {
		return nil
	}
	p.Log.Info().Str("plan", plan.ID).Str("to", plan.To.String()).Str("reason", plan.Reason).Msg("plan previewed")
	return err
}

// pruned is how many plans are removed at a time, so that nothing waits for it.
const pruned = 50

// prune removes plans that need not be kept. What can not be removed now stays until the next time.
func (p *Pilot) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	revisions := map[string]uint64{}
	var plans []schemas.Plan
	for _, e := range p.Mirrors.Plans.All() {
		if e.Value.App == p.App {
			plans = append(plans, e.Value)
			revisions[e.Value.ID] = e.Revision
		}
	}
	surplus := decide.Surplus(plans, p.book.Route(), time.Now())
	for _, plan := range surplus[:min(pruned, len(surplus))] {
		if p.allowed() != nil {
			return
		}
		if err := bus.Delete(ctx, p.Bus, schemas.PlanBucket, revisions[plan.ID], plan.Key()...); err != nil {
			p.Log.Warn().Err(err).Str("plan", plan.ID).Msg("old plan not removed")
			return
		}
		delete(p.plans, plan.ID)
	}
}

// carry carries a plan out to its end. revision is that of the plan's last write, 0 for a new one.
func (p *Pilot) carry(ctx context.Context, plan schemas.Plan, revision uint64) (schemas.Plan, error) {
	_, app, err := p.app()
	if err != nil {
		return plan, err
	}
	targets, err := target.Of(app)
	if err != nil {
		return plan, err
	}
	p.Meter.busy.WithLabelValues(p.App).Set(1)
	defer p.Meter.busy.WithLabelValues(p.App).Set(0)
	news := []func(context.Context) error{p.planned(plan)}
	plan, err = execute.Executor{
		App: app, Targets: targets, Hold: p.allowed, Claim: p.book.Claim, Now: time.Now,
		Save: func(ctx context.Context, plan schemas.Plan) error {
			next, err := bus.Put(ctx, p.Bus, schemas.PlanBucket, plan, bus.Condition{Revision: bus.At(revision)})
			if err == nil {
				revision = next
			}
			return err
		},
		Verify: func(ctx context.Context, c schemas.Candidate) error {
			return verify.Answers(ctx, app.Failover.Verify, c)
		},
		Bake: p.bake,
		Stepped: func(plan schemas.Plan, n int) {
			news = append(news, p.stepped(plan, n))
			// Nothing may slow traffic's way to the new region: the news waits until it is there.
			if plan.Journal[n].Name != decide.StepFence {
				p.Outbox.Put(news...)
				news = nil
			}
		},
	}.Run(ctx, plan)
	p.Outbox.Put(news...)
	if err != nil {
		return plan, fmt.Errorf("plan %s: %w", plan.ID, err)
	}
	p.plans[plan.ID] = plan
	p.Outbox.Put(p.finished(plan))
	p.Meter.ended(plan)
	p.Log.Info().Str("plan", plan.ID).Str("trigger", plan.Trigger).Str("state", string(plan.State)).Str("from", plan.From.String()).
		Str("to", plan.To.String()).Str("reason", plan.Reason).Dur("quorum_to_shift", plan.Times.ShiftedAt.Sub(plan.Times.QuorumAt)).Msg("failover ended")
	return plan, nil
}

// bake waits while both sides get traffic. It fails when the new side goes bad, and ends early when the old one does.
func (p *Pilot) bake(ctx context.Context, plan schemas.Plan) error {
	t, app, err := p.app()
	if err != nil {
		return err
	}
	over := time.After(app.Failover.Bake.D())
	for {
		changed := p.Mirrors.Verdicts.Changed()
		f := p.Mirrors.glance(t, app, plan.From.Region, plan.To.Region)
		if g := gate.Healthy(app, plan.To, f.Verdicts, f.Presences, f.Now); g.Result == schemas.Fail {
			return fmt.Errorf("%s went bad: %s", plan.To, g.Evidence)
		}
		if f.Accused(plan.From.Region).Down {
			return nil
		}
		select {
		case <-changed:
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// resume goes on with plans that someone left unfinished.
func (p *Pilot) resume(ctx context.Context) error {
	for _, e := range p.Mirrors.Plans.All() {
		if e.Value.App != p.App || e.Value.State.Ended() || p.plans[e.Value.ID].State.Ended() {
			continue
		}
		read, cancel := context.WithTimeout(ctx, 5*time.Second)
		e, err := bus.Get(read, p.Bus, schemas.PlanBucket, p.App, e.Value.ID)
		cancel()
		if err != nil {
			return err
		}
		if e.Value.State.Ended() {
			p.plans[e.Value.ID] = e.Value
			continue
		}
		plan := e.Value
		p.Log.Warn().Str("plan", plan.ID).Msg("unfinished plan resumed")
		if p.book.Route().Plan != plan.ID && time.Since(plan.At) > startWithin {
			// Nothing was changed under it, and the world it was made for is gone.
			plan.Journal = nil
			plan.Reason += "; it was found too old to start"
		}
		if _, err := p.carry(ctx, plan, e.Revision); err != nil {
			return err
		}
	}
	return nil
}

// startWithin is how old a plan may be and still be started by someone who did not make it.
const startWithin = time.Minute
