package actuator_test

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// noVerdicts is an app that only alerts and requests may move.
func noVerdicts(a *schemas.App) { a.Failover.Verdicts = false }

func steps(p schemas.Plan) string {
	var names []string
	for _, s := range p.Journal {
		names = append(names, s.Name+":"+s.Result)
	}
	return strings.Join(names, " ")
}

func TestVerdictsMoveTraffic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	plan := w.awaitPlan(schemas.PlanFinished)
	if plan.To != in("london") || plan.Trigger != schemas.TriggerVerdicts || plan.Times.FirstDownAt.IsZero() || plan.Times.EndedAt.IsZero() {
		t.Errorf("plan %+v", plan)
	}
	if got, want := steps(plan), "fence:applied shift:applied verify:passed record:applied"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
	w.awaitRoute("london", 2)
	if got := w.answers(); got != "london/slim/1" {
		t.Errorf("%q answers, want london", got)
	}
	w.awaitEvents("planned:"+plan.ID, 1)
	w.awaitEvents("finished:"+plan.ID, 1)
	w.awaitEvents("stepped:"+plan.ID, 4)
}

// TestQuorumMovesTrafficWithinFiftyMilliseconds moves traffic to and fro and wants one move in time: a machine that is busy with other things is slow now and then.
func TestQuorumMovesTrafficWithinFiftyMilliseconds(t *testing.T) {
	w := newWorld(t, func(a *schemas.App) { a.Failover.CoolDown = 0 })
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	var took []time.Duration
	for n, active := uint64(2), "frankfurt"; n < 12; n++ {
		for _, region := range regions {
			w.sees(region, 0)
			w.awaitVerdicts(region, schemas.Up, 4)
		}
		w.sees(active, 4)
		plan := await(w, w.plans, "the next plan", func(p schemas.Plan) bool { return p.State == schemas.PlanFinished && p.Epoch.N >= n })
		took = append(took, plan.Times.ShiftedAt.Sub(plan.Times.QuorumAt))
		n, active = plan.Epoch.N, plan.To.Region
	}
	slices.Sort(took)
	t.Logf("quorum to shift: %s", took)
	if took[0] <= 0 || took[0] > 50*time.Millisecond {
		t.Errorf("quorum to shift took at best %s, want at most 50 ms", took[0])
	}
}

func TestFirstAccuserHasTheOthersLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.sees("frankfurt", 1)
	w.awaitEvents("probe:", 1)
	w.sees("frankfurt", 2)
	w.sees("frankfurt", 3)
	plan := w.awaitPlan(schemas.PlanFinished)
	if n := w.events.count("probe:"); n != 1 {
		t.Errorf("asked %d times to look, want once", n)
	}
	if votes := plan.Quorum; len(votes) != len(vantages) || votes[0].Health != schemas.Down {
		t.Errorf("votes %+v", votes)
	}
}

func TestAlertMovesTrafficOnceVantagesConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, noVerdicts)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	raised := time.Now()
	w.alert("frankfurt", raised)
	w.alert("frankfurt", raised.Add(-time.Second)) // joins
	plan := w.awaitPlan(schemas.PlanFinished)
	if plan.Trigger != schemas.TriggerAlert || plan.To != in("london") || plan.Times.AlertAt.IsZero() {
		t.Errorf("plan %+v", plan)
	}
	if n := w.events.count("probe:"); n != 1 {
		t.Errorf("asked %d times to look, want once for two alerts", n)
	}
	if n := len(w.plans.All()); n != 1 {
		t.Errorf("%d plans for one incident", n)
	}
}

func TestAlertNobodyConfirmsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.alert("frankfurt", time.Now())
	plan := w.awaitPlan(schemas.PlanRefused)
	if !strings.Contains(plan.Reason, "the vantages do not confirm: 0 of 4") {
		t.Errorf("reason %q", plan.Reason)
	}
	if len(w.looks()) != 1 {
		t.Errorf("asked %d times to look, want once", len(w.looks()))
	}
	w.awaitRoute("frankfurt", 1)
	w.awaitEvents("planned:"+plan.ID, 1)
}

func TestRegionThatDiesAfterItsAlertWasRefusedIsLeftAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, noVerdicts)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.alert("frankfurt", time.Now())
	w.awaitPlan(schemas.PlanRefused)
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	if plan := w.awaitPlan(schemas.PlanFinished); plan.Trigger != schemas.TriggerAlert || plan.To != in("london") {
		t.Errorf("plan %+v", plan)
	}
}

func TestAlertForARegionWithoutTrafficIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, noVerdicts)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.sees("tokyo", 4)
	w.alert("tokyo", time.Now())
	w.request("later", "london") // events are handled in turn: when this one is done, the alert is
	w.awaitPlan(schemas.PlanFinished)
	if n := w.events.count("probe:"); n != 0 {
		t.Errorf("asked %d times to look", n)
	}
}

func TestFailedVerificationIsRolledBackUnderAHigherEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) { a.Failover.Verify.Timeout = schemas.Duration(400 * time.Millisecond) })
	w.kill("london") // though every vantage sees it up
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.sees("frankfurt", 4)
	plan := w.awaitPlan(schemas.PlanRolledBack)
	if plan.To != in("london") || plan.Epoch != (schemas.Epoch{Term: 1, N: 3}) || !strings.Contains(plan.Reason, "the old weights are back") {
		t.Errorf("plan %+v", plan)
	}
	if got, want := steps(plan), "fence:applied shift:applied verify:failed fence:applied rollback:applied record:applied"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
	if want := "set server shop/frankfurt weight 100; set server shop/london weight 0"; !slices.Contains(w.relay.Changes(), want) {
		t.Errorf("sent %q, want %q among them", w.relay.Changes(), want)
	}
	// The region is still down, and the next best candidate is tried.
	if next := w.awaitPlan(schemas.PlanFinished); next.To != in("tokyo") || next.Epoch != (schemas.Epoch{Term: 1, N: 4}) {
		t.Errorf("then %+v", next)
	}
}

func TestRequestMovesFromALiveRegionByShares(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) {
		a.Failover.Shift, a.Failover.Bake = []int{5, 50, 100}, schemas.Duration(20*time.Millisecond)
	})
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	for range 2 {
		w.request("r1", "tokyo")
	}
	plan := w.awaitPlan(schemas.PlanFinished)
	if plan.To != in("tokyo") || plan.Actor != "ada" || plan.Trigger != schemas.TriggerRequest {
		t.Errorf("plan %+v", plan)
	}
	want := []string{"set server shop/tokyo weight 5; set server shop/frankfurt weight 95", "set server shop/tokyo weight 50; set server shop/frankfurt weight 50",
		"set server shop/tokyo weight 100; set server shop/frankfurt weight 0"}
	if got := w.relay.Changes(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	w.request("r2", "tokyo")
	if refused := w.awaitPlan(schemas.PlanRefused); !strings.Contains(refused.Reason, "traffic is already in tokyo/slim") {
		t.Errorf("reason %q", refused.Reason)
	}
	if n := len(w.plans.All()); n != 2 {
		t.Errorf("%d plans for two requests, one of them sent twice", n)
	}
}

func TestRequestIsHeldToTheGates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.sees("tokyo", 4)
	w.awaitVerdicts("tokyo", schemas.Down, 4)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.request("first", "tokyo")
	if plan := w.awaitPlan(schemas.PlanRefused); !strings.Contains(plan.Reason, "tokyo/slim fails healthy") {
		t.Errorf("reason %q", plan.Reason)
	}
}

func TestShareThatGoesBadIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) {
		a.Failover.Shift, a.Failover.Bake = []int{5, 100}, schemas.Duration(20*time.Second)
	})
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.request("r", "tokyo")
	w.awaitStep("bake", "started")
	w.sees("tokyo", 4)
	plan := w.awaitPlan(schemas.PlanRolledBack)
	if got, want := steps(plan), "fence:applied shift:applied bake:failed fence:applied rollback:applied record:applied"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
}

func TestRegionThatDiesWhileItIsLeftIsLeftAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) {
		a.Failover.Shift, a.Failover.Bake = []int{5, 50, 100}, schemas.Duration(20*time.Second)
	})
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.request("r", "tokyo")
	w.awaitStep("bake", "started")
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	if plan := w.awaitPlan(schemas.PlanFinished); plan.Times.EndedAt.Sub(plan.At) > 10*time.Second {
		t.Errorf("it baked on for %s", plan.Times.EndedAt.Sub(plan.At))
	}
}

func TestObservedAppIsDecidedAndNotMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) { a.Mode = "observe" })
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.sees("frankfurt", 4)
	plan := w.awaitPlan(schemas.PlanRefused)
	if !strings.Contains(plan.Reason, "traffic would have moved to london/slim") {
		t.Errorf("reason %q", plan.Reason)
	}
	if sent := w.relay.Changes(); len(sent) > 0 {
		t.Errorf("sent %q", sent)
	}
}

func TestFirstRouteIsWhereTrafficIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(a *schemas.App) { a.Start = in("tokyo") })
	w.act("one")
	w.awaitRoute("frankfurt", 1)
}

func TestRestartedHAProxyGetsTheRouteAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.request("r", "tokyo")
	w.awaitPlan(schemas.PlanFinished)
	w.proxy.Restart()
	if got := w.answers(); got != "frankfurt/slim/1" {
		t.Fatalf("%q answers after the restart, want what the configuration file says", got)
	}
	w.awaitAnswer("tokyo/slim/1")
}

func TestOneOfTwoActsAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	stop := w.act("one")
	w.awaitHolder("one")
	w.act("two")
	w.awaitRoute("frankfurt", 1)
	w.request("r1", "tokyo")
	w.awaitRoute("tokyo", 2)
	w.awaitPlan(schemas.PlanFinished)
	stop()
	w.awaitHolder("two")
	w.request("r2", "london")
	await(w, w.plans, "the second plan", func(p schemas.Plan) bool { return p.State == schemas.PlanFinished && p.To == in("london") })
	w.awaitRoute("london", 3)
	if n := len(w.relay.Changes()); n != 2 {
		t.Errorf("sent %q, want one change per request", w.relay.Changes())
	}
}

// TestKilledMidStepIsResumedAndNothingIsDoneTwice kills the actuator with -9 while its change is on the way: before HAProxy has it, and after.
func TestKilledMidStepIsResumedAndNothingIsDoneTwice(t *testing.T) {
	for name, arrives := range map[string]bool{"before HAProxy changed": false, "after HAProxy changed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, noVerdicts)
			there := make(chan struct{}, 8)
			stuck := func(string) bool {
				there <- struct{}{}
				<-w.ctx.Done()
				return false
			}
			if arrives {
				w.relay.After(stuck)
			} else {
				w.relay.Before(stuck)
			}
			first := w.spawn("first")
			w.awaitRoute("frankfurt", 1)
			w.kill("frankfurt")
			w.sees("frankfurt", 4)
			w.alert("frankfurt", time.Now())
			<-there
			w.awaitStep("shift", "started")
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = first.Wait()
			w.relay.Before(nil)
			w.relay.After(nil)
			w.act("second")
			plan := w.awaitPlan(schemas.PlanFinished)
			if got, want := steps(plan), "fence:applied shift:applied verify:passed record:applied"; got != want {
				t.Errorf("steps %q, want %q", got, want)
			}
			w.awaitRoute("london", 2)
			w.awaitEvents("finished:", 1)
			if sent := w.relay.Changes(); len(sent) != 1 {
				t.Errorf("HAProxy was changed by %q, want once", sent)
			}
			if n := w.events.count("stepped:"); n != 4 {
				t.Errorf("%d steps told, want 4", n)
			}
		})
	}
}

// TestKilledWhileItWaitsForConfirmationLosesNoAlert kills the actuator after an alert and before a quorum.
func TestKilledWhileItWaitsForConfirmationLosesNoAlert(t *testing.T) {
	t.Parallel()
	w := newWorld(t, noVerdicts)
	first := w.spawn("first")
	w.awaitRoute("frankfurt", 1)
	w.alert("frankfurt", time.Now())
	w.awaitEvents("probe:", 1)
	_ = first.Process.Kill()
	_ = first.Wait()
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	w.act("second")
	if plan := w.awaitPlan(schemas.PlanFinished); plan.Trigger != schemas.TriggerAlert {
		t.Errorf("plan %+v", plan)
	}
}

// TestPausedHolderThatWakesDoesNotAct stops the holder's process, lets another one move traffic, and wakes the first with its old idea of the world.
func TestPausedHolderThatWakesDoesNotAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first := w.spawn("first")
	w.awaitRoute("frankfurt", 1)
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.act("second")
	w.awaitHolder("second")
	w.sees("frankfurt", 4)
	w.awaitPlan(schemas.PlanFinished)
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	<-time.After(3 * time.Second) // the woken one settles its targets every two
	if sent := w.relay.Changes(); len(sent) != 1 {
		t.Errorf("sent %q, want the one change of the second", sent)
	}
	w.awaitRoute("london", 2)
}

func TestTrafficStaysWhileTheBusIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.request("r", "london")
	w.awaitPlan(schemas.PlanFinished)
	w.awaitReady(http.StatusOK)
	w.server.Stop()
	w.awaitReady(http.StatusServiceUnavailable)
	if got := w.answers(); got != "london/slim/1" {
		t.Errorf("%q answers without the bus", got)
	}
	w.server.Restart()
	w.awaitReady(http.StatusOK)
	w.kill("london")
	w.sees("london", 4)
	w.awaitRoute("tokyo", 3)
	w.awaitAnswer("tokyo/slim/1")
}

func TestSecondWriterOfARouteLoses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	other := w.server.Connect(schemas.Actuator, "")
	broken := schemas.Route{App: "shop", Active: in("tokyo"), Epoch: schemas.Epoch{Term: 2, N: 1}, Since: time.Now()}
	put(w, other, schemas.RouteBucket, broken)
	w.awaitAnswer("tokyo/slim/1") // a route with a higher term is followed
	e, err := bus.Get(w.ctx, other, schemas.RouteBucket, "shop")
	if err != nil || e.Value.Epoch != broken.Epoch {
		t.Errorf("route %+v, %v", e.Value, err)
	}
}
