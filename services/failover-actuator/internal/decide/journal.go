package decide

import (
	"fmt"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

// The names of steps.
const (
	// StepFence makes the plan's epoch the app's: whoever holds an older one may no longer act.
	StepFence = "fence"
	// StepShift sets a target's weights, which its detail lists.
	StepShift = "shift"
	// StepBake waits and watches where traffic goes.
	StepBake = "bake"
	// StepVerify asks from outside who answers.
	StepVerify = "verify"
	// StepRollback sets a target's weights back.
	StepRollback = "rollback"
	// StepRecord ends the plan.
	StepRecord = "record"
)

// How a step goes: it is started, then one of the others.
const (
	ResultStarted  = "started"
	ResultApplied  = "applied"
	ResultConflict = "conflict"
	ResultUnknown  = "unknown"
	ResultPassed   = "passed"
	ResultFailed   = "failed"
)

// journal lays out the steps of a plan. A dead region is left at once; one that still answers is left by shares, with a bake after each.
func journal(app schemas.App, p schemas.Plan, dead bool) []schemas.JournalStep {
	shares := []int{weight.Whole}
	if !dead && len(app.Failover.Shift) > 0 {
		shares = app.Failover.Shift
	}
	steps := []schemas.JournalStep{{Name: StepFence, Detail: fenceDetail(p.Epoch, p.To)}}
	for n, share := range shares {
		if n > 0 {
			steps = append(steps, schemas.JournalStep{Name: StepBake, Detail: app.Failover.Bake.String()})
		}
		for _, t := range app.Targets {
			steps = append(steps, schemas.JournalStep{Name: StepShift, Target: t.Name, Detail: weight.Moved(p.From, p.To, share).String()})
		}
	}
	return append(steps, schemas.JournalStep{Name: StepVerify, Detail: app.Failover.Verify.URL}, schemas.JournalStep{Name: StepRecord})
}

// Rollback cuts a plan's journal after its last step that was tried and appends the way back, under a higher epoch.
func Rollback(app schemas.App, p schemas.Plan, tried int) schemas.Plan {
	p.Epoch = p.Epoch.Next()
	steps := append([]schemas.JournalStep(nil), p.Journal[:tried+1]...)
	steps = append(steps, schemas.JournalStep{Name: StepFence, Detail: fenceDetail(p.Epoch, p.From)})
	for _, t := range app.Targets {
		steps = append(steps, schemas.JournalStep{Name: StepRollback, Target: t.Name, Detail: weight.All(p.From).String()})
	}
	p.Journal = append(steps, schemas.JournalStep{Name: StepRecord})
	return p
}

func fenceDetail(e schemas.Epoch, active schemas.Candidate) string {
	return fmt.Sprintf("epoch %d.%d sends traffic to %s", e.Term, e.N, active)
}
