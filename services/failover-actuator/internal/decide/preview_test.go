package decide_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
)

func TestPreviewIsDecidedAsTheRealOneAndMarked(t *testing.T) {
	for name, c := range map[string]struct {
		to      schemas.Candidate
		lost    string
		change  func(*decide.Facts)
		want    schemas.Candidate
		trigger string
		steps   int
		says    string
	}{
		"a wish":                     {schemas.Candidate{Region: "tokyo"}, "", nil, slim("tokyo"), schemas.TriggerRequest, 8, "a preview for ada; 0 of 5"},
		"the active region lost":     {schemas.Candidate{}, "frankfurt", nil, slim("london"), schemas.TriggerVerdicts, 4, "supposing that frankfurt is lost; 5 of 5"},
		"lost, and a wish":           {schemas.Candidate{Region: "tokyo"}, "frankfurt", nil, slim("tokyo"), schemas.TriggerRequest, 4, "supposing that frankfurt is lost"},
		"lost, moved by alerts only": {schemas.Candidate{}, "frankfurt", func(f *decide.Facts) { withApp(f, func(a *schemas.App) { a.Failover.Verdicts = false }) }, slim("london"), schemas.TriggerAlert, 4, "5 of 5"},
		"another region lost":        {schemas.Candidate{}, "london", nil, slim("dallas"), schemas.TriggerRequest, 8, "supposing that london is lost"},
		"lost, and nobody sees":      {schemas.Candidate{}, "frankfurt", func(f *decide.Facts) { f.Presences = nil }, schemas.Candidate{}, schemas.TriggerVerdicts, 0, "0 are sighted"},
		"lost, and it is cooling down": {schemas.Candidate{}, "frankfurt", func(f *decide.Facts) {
			f.Plans = []schemas.Plan{past(schemas.PlanFinished, schemas.TriggerAlert, time.Minute)}
		}, schemas.Candidate{}, schemas.TriggerVerdicts, 0, "cooling down"},
		"lost, in mode observe": {schemas.Candidate{}, "frankfurt", func(f *decide.Facts) { withApp(f, func(a *schemas.App) { a.Mode = "observe" }) }, schemas.Candidate{}, schemas.TriggerVerdicts, 0, "traffic would have moved to london/slim"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			if c.change != nil {
				c.change(&f)
			}
			verdict := f.Verdicts[0].Health
			p := decide.Preview(f, schemas.FailoverRequested{Request: "r", App: "shop", To: c.to, Actor: "ada", DryRun: true, Lost: c.lost, At: now})
			if p.To != c.want || p.Trigger != c.trigger || len(p.Journal) != c.steps || !strings.Contains(p.Reason, c.says) {
				t.Errorf("to %s by %s in %d steps, %q; want %s by %s in %d, %q", p.To, p.Trigger, len(p.Journal), p.Reason, c.want, c.trigger, c.steps, c.says)
			}
			if p.State != schemas.PlanPreviewed || !p.State.Ended() || p.ID != schemas.PreviewID("r") || p.Supposed != c.lost || p.Validate() != nil {
				t.Errorf("%s in state %s supposing %q: %v", p.ID, p.State, p.Supposed, p.Validate())
			}
			if f.Verdicts[0].Health != verdict {
				t.Error("supposing changed the facts it was given")
			}
		})
	}
}

func TestOldPlansAreSurplusAndWhatMayStillMatterIsNot(t *testing.T) {
	var plans []schemas.Plan
	add := func(n int, state schemas.PlanState, age time.Duration) {
		for i := range n {
			plans = append(plans, schemas.Plan{ID: fmt.Sprintf("%s-%d-%s", state, i, age), State: state, At: now.Add(-age - time.Duration(i)*time.Millisecond)})
		}
	}
	surplus := func() map[string]int {
		found := map[string]int{}
		for _, p := range decide.Surplus(plans, schemas.Route{Plan: "finished-240-1h0m0s"}, now) {
			found[string(p.State)]++
			if p.ID == "finished-240-1h0m0s" {
				t.Error("the plan that the route was set by is surplus")
			}
		}
		return found
	}
	add(200, schemas.PlanFinished, time.Hour)
	add(10, schemas.PlanPreviewed, time.Hour)
	if got := surplus(); len(got) != 0 {
		t.Errorf("surplus %v of what is kept", got)
	}
	plans = nil
	add(250, schemas.PlanFinished, time.Hour)
	add(30, schemas.PlanRefused, time.Minute)
	add(3, schemas.PlanRunning, 2*time.Hour)
	add(25, schemas.PlanPreviewed, 5*time.Minute)
	add(5, schemas.PlanPreviewed, time.Second)
	// 200 of 283 decisions stay, then the route's and the three under way, which are the oldest.
	if got := surplus(); got["finished"] != 79 || got["refused"] != 0 || got["running"] != 0 || got["previewed"] != 20 {
		t.Errorf("surplus %v", got)
	}
	if got := decide.Surplus(plans, schemas.Route{}, now); got[0].At.After(got[len(got)-1].At) {
		t.Error("the oldest is not first")
	}
	plans = nil
	add(300, schemas.PlanRefused, time.Minute)
	if got := surplus(); len(got) != 0 {
		t.Errorf("surplus %v of plans whose events may come again", got)
	}
}
