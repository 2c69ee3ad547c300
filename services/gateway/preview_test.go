package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// answerPreviews stands where the failover-actuator does: it answers what it is asked with a plan.
func answerPreviews(t *testing.T, s *bustest.Server, asked chan<- schemas.FailoverRequested) {
	t.Helper()
	actuator := s.Connect(schemas.Actuator, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		_ = bus.Consume(ctx, actuator, schemas.FailoverRequestedTopic, "", func(ctx context.Context, e schemas.FailoverRequested) error {
			asked <- e
			now := time.Now().UTC()
			to := schemas.Candidate{Region: "r1", Variant: "slim"}
			p := schemas.Plan{
				ID: schemas.PreviewID(e.Request), App: e.App, Incident: "preview:" + e.Request, Trigger: schemas.TriggerRequest, State: schemas.PlanPreviewed, At: now, RankingAt: now.Add(-7 * time.Second),
				From: schemas.Candidate{Region: "r0", Variant: "slim"}, Epoch: schemas.Epoch{Term: 1, N: 8}, Reason: "a preview", Supposed: e.Lost,
				Candidates: []schemas.PlanCandidate{{RankedCandidate: schemas.RankedCandidate{Candidate: to, Running: true, Enough: true, CostMS: 21.5, Gates: []schemas.Gate{
					{Name: "healthy", Result: schemas.Pass}, {Name: "distance", Result: schemas.Fail, Evidence: "too near\x1b[2J"}}}}},
				Quorum: []schemas.QuorumVote{{Vantage: "v", Health: schemas.Up, At: now.Add(-300 * time.Millisecond)}},
			}
			if e.Force {
				p.To, p.Forced, p.Candidates[0].Chosen = to, true, true
				p.Journal = []schemas.JournalStep{{Name: "fence", Detail: "epoch 1.8"}, {Name: "shift", Target: "entry", Detail: "r1/slim=100"}}
			}
			_, err := bus.Put(ctx, actuator, schemas.PlanBucket, p, bus.Condition{})
			return err
		})
	}()
}

func TestPlanOfAFailoverIsShownAndListedNowhere(t *testing.T) {
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	asked := make(chan schemas.FailoverRequested, 8)
	answerPreviews(t, s, asked)
	for _, c := range []struct {
		args       []string
		has, lacks []string
	}{
		{[]string{"shop", "--to", "r1/slim"}, []string{"traffic is in r0/slim. A preview: nothing was changed", "It would stay: a preview", "--force --reason", "ranked 7s before", "r1/slim", "21.5", "1 of 2", "distance fail: too near", "300ms"},
			[]string{"\x1b", "epoch 1.8"}},
		{[]string{"shop", "--to", "r1", "--force", "--from-lost", "r0"}, []string{"It would go to r1/slim under epoch 1.8", "r1/slim=100", "→"}, []string{"It would stay", "--force"}},
	} {
		out, err := g.shows(append([]string{"failover", "plan"}, c.args...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.has {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
		for _, not := range c.lacks {
			if strings.Contains(out, not) {
				t.Errorf("%q is in\n%s", not, out)
			}
		}
	}
	if first, second := <-asked, <-asked; !first.DryRun || !second.DryRun || first.To.Variant != "slim" || !second.Force || second.Lost != "r0" {
		t.Errorf("asked %+v, then %+v", first, second)
	}
	if out, err := g.shows("failover", "status"); err != nil || !strings.Contains(out, "no failover has been decided yet") {
		t.Errorf("status shows a preview: %v\n%s", err, out)
	}
	for want, args := range map[string][]string{
		"no endpoint in a region named r9": {"shop", "--to", "r9"}, "in a region named r8": {"shop", "--from-lost", "r8"}, "to insist is to name a region": {"shop", "--force"},
		"write REGION or REGION/VARIANT": {"shop", "--to", "r1/"}, "two variants": {"shop", "--to", "r1/slim", "--variant", "fat"}, "no app named cart": {"cart"},
	} {
		if out, err := g.shows(append([]string{"failover", "plan"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v %s, want %q", args, err, out, want)
		}
	}
}

func TestPreviewNeedsTheTokenAndSaysWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	g.apply(topology("http://127.0.0.1:1"))
	post := func(token string) reply {
		return g.call(http.MethodPost, "/v1/failovers/preview", map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, []byte(`{"app": "shop", "actor": "ada"}`))
	}
	if r := post("wrong"); r.status != http.StatusUnauthorized {
		t.Errorf("with a wrong token = %d", r.status)
	}
	if r := post("t0ken"); r.status != http.StatusServiceUnavailable || !strings.Contains(r.problem(t).Detail, "the failover-actuator did not answer") {
		t.Errorf("without an actuator = %d %s", r.status, r.body)
	}
}

func TestFailoversAreTheNewestOfAnApp(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	actuator := s.Connect(schemas.Actuator, "")
	from := schemas.Candidate{Region: "r0", Variant: "slim"}
	for n := range 60 {
		write(t, actuator, schemas.PlanBucket, schemas.Plan{ID: fmt.Sprint(n), App: []string{"shop", "cart"}[n%2], Trigger: schemas.TriggerAlert, From: from, To: from, State: schemas.PlanFinished, At: time.Now().Add(time.Duration(n) * time.Second)})
	}
	list := func(query string) (plans []schemas.Plan) {
		r := g.call(http.MethodGet, "/v1/failovers"+query, nil, nil)
		if err := json.Unmarshal([]byte(r.body), &plans); err != nil {
			t.Fatalf("%s = %d %s", query, r.status, r.body)
		}
		return plans
	}
	g.await("all plans", func() bool { return len(list("?limit=100")) == 60 })
	if got := list(""); len(got) != 50 || got[0].ID != "59" {
		t.Errorf("%d plans, the first %s", len(got), got[0].ID)
	}
	if got := list("?limit=3&app=shop"); len(got) != 3 || got[0].ID != "58" || got[2].ID != "54" {
		t.Errorf("three of shop: %+v", got)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x"} {
		if r := g.call(http.MethodGet, "/v1/failovers"+query, nil, nil); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s = %d", query, r.status)
		}
	}
}
