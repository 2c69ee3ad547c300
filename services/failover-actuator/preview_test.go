package actuator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// ask publishes a request as the gateway does.
func (w *world) ask(e schemas.FailoverRequested) {
	w.Helper()
	e.App, e.Actor, e.At = "shop", "ada", time.Now()
	if err := bus.Publish(w.ctx, w.gateway, schemas.FailoverRequestedTopic, e); err != nil {
		w.Fatal(err)
	}
}

func TestPreviewShowsThePlanAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.awaitVerdicts("tokyo", schemas.Up, 4)
	w.ask(schemas.FailoverRequested{Request: "a", To: schemas.Candidate{Region: "tokyo"}, DryRun: true})
	plan := w.awaitPlan(schemas.PlanPreviewed)
	if plan.To != in("tokyo") || plan.ID != schemas.PreviewID("a") || plan.Epoch.N != 2 || !strings.HasPrefix(steps(plan), "fence: shift:") {
		t.Errorf("preview of a wish: %+v", plan)
	}
	w.ask(schemas.FailoverRequested{Request: "b", DryRun: true, Lost: "frankfurt"})
	lost := await(w, w.plans, "the second preview", func(p schemas.Plan) bool { return p.ID == schemas.PreviewID("b") })
	if lost.To != in("london") || lost.Supposed != "frankfurt" || lost.Trigger != schemas.TriggerVerdicts {
		t.Errorf("preview of a loss: %+v", lost)
	}
	w.awaitRoute("frankfurt", 1)
	if got := w.answers(); got != "frankfurt/slim/1" {
		t.Errorf("%q answers after two previews", got)
	}
	// A real one after them takes the epoch that both showed, and is the first decision anyone is told of.
	w.ask(schemas.FailoverRequested{Request: "c", To: schemas.Candidate{Region: "tokyo"}, Reason: "test"})
	w.awaitRoute("tokyo", 2)
	w.awaitEvents("finished:", 1)
	if n := w.events.count("planned:"); n != 1 {
		t.Errorf("%d decisions were told, want that of the real one only: %v", n, w.events.all())
	}
}

func TestPersonMayInsistAndIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.awaitVerdicts("tokyo", schemas.Up, 4)
	w.sees("tokyo", 4)
	w.awaitVerdicts("tokyo", schemas.Down, 4)
	w.request("polite", "tokyo")
	refused := w.awaitPlan(schemas.PlanRefused)
	if !strings.Contains(refused.Reason, "tokyo/slim fails healthy") || refused.Forced {
		t.Errorf("refused with %q", refused.Reason)
	}
	w.ask(schemas.FailoverRequested{Request: "firm", To: schemas.Candidate{Region: "tokyo"}, Force: true, Reason: "the vantages are wrong"})
	plan := w.awaitPlan(schemas.PlanFinished)
	if !plan.Forced || !strings.HasPrefix(plan.Reason, "forced past healthy (0 of 4 sighted vantages say up)") || !strings.Contains(plan.Reason, "ada: the vantages are wrong") {
		t.Errorf("forced plan %+v", plan)
	}
	w.awaitAnswer("tokyo/slim/1")
}

func TestPersonWhoInsistsOnADeadRegionIsRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) { a.Failover.Verify.Timeout = schemas.Duration(300 * time.Millisecond) })
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.kill("tokyo")
	w.sees("tokyo", 4)
	w.awaitVerdicts("tokyo", schemas.Down, 4)
	w.ask(schemas.FailoverRequested{Request: "firm", To: schemas.Candidate{Region: "tokyo"}, Force: true, Reason: "test"})
	if plan := w.awaitPlan(schemas.PlanRolledBack); !plan.Forced {
		t.Errorf("plan %+v", plan)
	}
	w.awaitAnswer("frankfurt/slim/1")
}

func TestOldPlansArePruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	earlier := w.server.Connect(schemas.Actuator, "")
	for n := range 215 {
		put(w, earlier, schemas.PlanBucket, schemas.Plan{ID: fmt.Sprintf("old-%03d", n), App: "shop", Incident: fmt.Sprint(n), Trigger: schemas.TriggerRequest, From: in("frankfurt"), To: in("london"),
			State: schemas.PlanFinished, Epoch: schemas.Epoch{Term: 1, N: uint64(n)}, At: time.Now().Add(-time.Hour + time.Duration(n)*time.Second)})
	}
	w.act("one")
	for {
		changed := w.plans.Changed()
		all := w.plans.All()
		if len(all) == 200 {
			if _, oldest := w.plans.Get("shop", "old-014"); oldest {
				t.Error("an older plan than those that went is still there")
			}
			break
		}
		select {
		case <-changed:
		case <-w.ctx.Done():
			t.Fatalf("%d plans, want 200", len(all))
		}
	}
	w.awaitRoute("frankfurt", 215)
}
