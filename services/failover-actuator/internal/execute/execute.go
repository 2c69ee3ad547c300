// Package execute carries a plan out step by step. Each step is written to the plan's journal before it is tried and after it ended, so that whoever
// finds an unfinished plan can go on: every step can be tried again and is done once.
package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/fence"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/target"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

// Executor is what a plan is carried out with.
type Executor struct {
	App     schemas.App
	Targets []target.Target
	// Save writes the plan with its journal.
	Save func(context.Context, schemas.Plan) error
	// Claim makes the plan's epoch the app's, with traffic meant for a candidate. Claiming again what the plan holds does nothing;
	// fence.ErrSuperseded when a later epoch holds.
	Claim func(context.Context, schemas.Plan, schemas.Candidate) error
	// Hold returns why this process may not act now, or nil. It is asked right before every act.
	Hold func() error
	// Verify asks from outside until the candidate answers, or returns why it does not.
	Verify func(context.Context, schemas.Candidate) error
	// Bake waits while both sides get traffic, and returns early with an error when the new side went bad.
	Bake func(context.Context, schemas.Plan) error
	// Stepped is told of every step that ended. It must not keep the journal.
	Stepped func(schemas.Plan, int)
	Now     func() time.Time
}

// tries is how often a target is asked when the outcome of a change is not known.
const tries = 3

// Run carries out what is left of a plan and returns it ended. With an error the plan is unfinished: it could not be recorded, or this process may no longer act.
func (x Executor) Run(ctx context.Context, p schemas.Plan) (schemas.Plan, error) {
	p.State = schemas.PlanRunning
	p.Journal = slices.Clone(p.Journal)
	for i := left(p); i < len(p.Journal); i = left(p) {
		step := &p.Journal[i]
		if step.Result != decide.ResultStarted {
			step.Result, step.StartedAt = decide.ResultStarted, x.Now()
			if err := x.Save(ctx, p); err != nil {
				return p, err
			}
		}
		result, err := x.try(ctx, p, i)
		if result == "" {
			return p, fmt.Errorf("%s: %w", step.Name, err)
		}
		step.Result, step.EndedAt = result, x.Now()
		if err != nil {
			step.Error = err.Error()
		}
		x.clock(&p, *step)
		x.Stepped(p, i)
		if result != decide.ResultApplied && result != decide.ResultPassed {
			p = x.failed(p, i, errors.Is(err, fence.ErrSuperseded))
		}
	}
	return x.end(ctx, p)
}

// left is the number of the first step that has not ended.
func left(p schemas.Plan) int {
	i := slices.IndexFunc(p.Journal, func(s schemas.JournalStep) bool { return s.Result == "" || s.Result == decide.ResultStarted })
	if i < 0 {
		return len(p.Journal)
	}
	return i
}

// try does one step. An empty result means that it can not be known or recorded here and now, and is to be tried again by whoever may.
func (x Executor) try(ctx context.Context, p schemas.Plan, i int) (result string, err error) {
	if err := x.Hold(); err != nil {
		return "", err
	}
	switch step := p.Journal[i]; step.Name {
	case decide.StepFence:
		return x.claim(ctx, p)
	case decide.StepShift, decide.StepRollback:
		return x.shift(ctx, p, i)
	case decide.StepBake:
		result, err = judge(x.Bake(ctx, p))
	case decide.StepVerify:
		result, err = judge(x.Verify(ctx, p.To))
	case decide.StepRecord:
		result = decide.ResultApplied
	default:
		return decide.ResultFailed, fmt.Errorf("no step is called %q", step.Name)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return result, err
}

// claim makes the plan's epoch the app's.
func (x Executor) claim(ctx context.Context, p schemas.Plan) (string, error) {
	active := p.To
	if Returning(p) {
		active = p.From
	}
	switch err := x.Claim(ctx, p, active); {
	case err == nil:
		return decide.ResultApplied, nil
	case errors.Is(err, fence.ErrSuperseded):
		return decide.ResultConflict, err
	default:
		return "", err
	}
}

func judge(err error) (string, error) {
	if err != nil {
		return decide.ResultFailed, err
	}
	return decide.ResultPassed, nil
}

// shift sets the weights a step lists on its target.
func (x Executor) shift(ctx context.Context, p schemas.Plan, i int) (string, error) {
	step := p.Journal[i]
	n := slices.IndexFunc(x.Targets, func(t target.Target) bool { return t.Name() == step.Target })
	if n < 0 {
		return decide.ResultFailed, fmt.Errorf("the app has no target %s any more", step.Target)
	}
	next, err := weight.Parse(step.Detail)
	if err != nil {
		return decide.ResultFailed, err
	}
	change := target.Change{Epoch: p.Epoch, Expected: expected(p, i), Next: next}
	var outcome target.Outcome
	for range tries {
		if err := x.Hold(); err != nil {
			return "", err
		}
		outcome, err = x.Targets[n].Apply(ctx, change)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		switch outcome {
		case target.Applied:
			return decide.ResultApplied, nil
		case target.Conflict:
			// Nobody else may have set it: the plan holds the app's lease and epoch. A restart or a hand at the socket did, and the later epoch wins.
			if result, err := x.claim(ctx, p); result != decide.ResultApplied {
				return result, err
			}
			if seen, unread := x.Targets[n].Read(ctx); unread == nil {
				change.Expected = seen
			}
		}
	}
	return string(outcome), err
}

// expected is what the target of step i has before it: what the last step on it set, or everything on the candidate that is left.
func expected(p schemas.Plan, i int) weight.Set {
	for n := i - 1; n >= 0; n-- {
		if s := p.Journal[n]; s.Target == p.Journal[i].Target && s.Target != "" {
			if set, err := weight.Parse(s.Detail); err == nil {
				return set
			}
		}
	}
	return weight.All(p.From)
}

// clock notes the moments the delay of a failover is made of.
func (x Executor) clock(p *schemas.Plan, s schemas.JournalStep) {
	switch {
	case s.Name == decide.StepShift && s.Result == decide.ResultApplied:
		p.Times.ShiftedAt = s.EndedAt
	case s.Name == decide.StepVerify && s.Result == decide.ResultPassed:
		p.Times.VerifiedAt = s.EndedAt
	}
}

// failed decides what follows a step that failed: nothing when someone else has the app, the way back otherwise, and the rest of it when it is already that.
func (x Executor) failed(p schemas.Plan, i int, superseded bool) schemas.Plan {
	step := p.Journal[i]
	p.Reason += fmt.Sprintf("; %s %s: %s", step.Name, step.Result, step.Error)
	switch {
	case superseded:
		p.Journal = p.Journal[:i+1]
	case !Returning(p):
		p = decide.Rollback(x.App, p, i)
	}
	return p
}

// Returning says whether a plan is on its way back.
func Returning(p schemas.Plan) bool {
	return slices.ContainsFunc(p.Journal, func(s schemas.JournalStep) bool { return s.Name == decide.StepRollback })
}

// end closes the plan.
func (x Executor) end(ctx context.Context, p schemas.Plan) (schemas.Plan, error) {
	p.State = outcome(p)
	if p.State == schemas.PlanRolledBack {
		p.Reason += "; the old weights are back"
	}
	p.Times.EndedAt = x.Now()
	return p, x.Save(ctx, p)
}

func outcome(p schemas.Plan) schemas.PlanState {
	good := func(s schemas.JournalStep) bool {
		return s.Result == decide.ResultApplied || s.Result == decide.ResultPassed
	}
	if len(p.Journal) == 0 {
		return schemas.PlanFailed
	}
	n := slices.IndexFunc(p.Journal, func(s schemas.JournalStep) bool { return !good(s) })
	if n < 0 {
		return schemas.PlanFinished
	}
	back := p.Journal[n+1:]
	if len(back) > 0 && !slices.ContainsFunc(back, func(s schemas.JournalStep) bool { return !good(s) }) {
		return schemas.PlanRolledBack
	}
	return schemas.PlanFailed
}
