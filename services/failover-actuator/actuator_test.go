package actuator_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

func TestVerdictsMoveTrafficWithinMilliseconds(t *testing.T) {
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	plan := w.awaitPlan(schemas.PlanFinished)
	if got := plan.Times.ShiftedAt.Sub(plan.Times.QuorumAt); got <= 0 || got > 50*time.Millisecond {
		t.Errorf("quorum to shift took %s, want at most 50 ms", got)
	}
	if plan.To != in("london") || plan.Trigger != schemas.TriggerVerdicts || plan.Times.VerifiedAt.IsZero() || plan.Times.FirstDownAt.IsZero() {
		t.Errorf("plan %+v", plan)
	}
	w.awaitRoute("london", 2)
	if got := w.answers(); got != "london/slim/1" {
		t.Errorf("%q answers, want london", got)
	}
}
