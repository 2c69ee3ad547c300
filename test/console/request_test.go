package console_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// tabTo presses the tabulator until the focus is on what a selector names, and checks that one sees it there.
func (p *tab) tabTo(selector string) {
	p.t.Helper()
	for range 120 {
		p.keys(kb.Tab)
		if must[bool](p, `!!document.activeElement.matches(`+quote(selector)+`)`) {
			if !must[bool](p, `(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`) {
				p.t.Errorf("the focus on %s can not be seen", selector)
			}
			return
		}
	}
	p.t.Fatalf("the tabulator does not reach %s", selector)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }

// TestAFailoverIsRequestedByKeyboardAlone signs in, asks, looks at what would happen and confirms, without a mouse.
func TestAFailoverIsRequestedByKeyboardAlone(t *testing.T) {
	t.Parallel()
	axe := axeSource(t)
	y := newSystem(t, nil)
	y.populate()
	y.answerPreviews()
	p := open(t, y.gate.url())
	p.load("/")
	p.says("is served by")
	p.tabTo(`a[href^="/ui/request"]`)
	p.keys(kb.Enter)
	p.says("Who you are")
	p.tabTo("#actor")
	p.keys("Ada")
	p.tabTo("#token")
	p.keys("guess" + kb.Enter)
	p.says("That is not the API's token.")
	p.tabTo("#token")
	p.keys(token + kb.Enter)
	p.says("Traffic is at")
	p.axe(axe, "request")
	p.picture("request-light")
	p.tabTo("#region")
	p.keys("lon")
	p.tabTo("#variant")
	p.keys("sli")
	p.tabTo("#reason")
	p.keys("rehearsing the night shift" + kb.Enter)
	p.says("Move shop from frankfurt/slim to london/slim?")
	p.says("This is the failover-actuator's own answer")
	p.says("epoch 1.2 sends traffic to london/slim")
	p.axe(axe, "confirm")
	p.picture("confirm-light")
	p.tabTo("#confirm")
	p.keys(kb.Enter)
	p.says("Your request is stored.")
	p.axe(axe, "requested")

	asked := y.requested()
	if asked.To != (schemas.Candidate{Region: "london", Variant: "slim"}) || asked.Actor != "Ada" || asked.Reason != "rehearsing the night shift" {
		t.Errorf("stored is %+v", asked)
	}
	plan := y.plan("asked", schemas.PlanFinished)
	plan.Incident, plan.Trigger, plan.Actor, plan.Reason = "request:"+asked.Request, schemas.TriggerRequest, asked.Actor, "Ada: "+asked.Reason
	put(y, y.actuator, schemas.PlanBucket, plan)
	p.says("Your request is decided: finished.")
	if must[bool](p, `document.body.innerText.includes("previewed")`) {
		t.Error("a preview is listed as a failover")
	}
	p.tabTo(`main a[href="/ui/failovers/shop/asked"]`)
	p.keys(kb.Enter)
	p.says("request, Ada")
	p.tabTo(".tools button:not(#pause)")
	p.keys(kb.Enter)
	p.says("Sign in")
}

// answerPreviews answers questions as the failover-actuator would, until the test ends.
func (y *system) answerPreviews() {
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	y.t.Cleanup(func() { stop(); work.Wait() })
	b, topic := y.bus.Connect(schemas.Recorder, ""), schemas.FailoverRequestedTopic
	work.Go(func() {
		_ = b.Tail(ctx, schemas.Events, 1, []string{topic.Contract().Filter()}, func(m bus.Message) error {
			e, err := topic.Decode(m.Subject, m.Data)
			if err != nil || !e.DryRun {
				return nil
			}
			p := y.plan(schemas.PreviewID(e.Request), schemas.PlanPreviewed)
			p.Trigger, p.Reason, p.Actor, p.Times = schemas.TriggerRequest, "asked by "+e.Actor, e.Actor, schemas.PlanTimes{}
			_, err = bus.Put(ctx, y.actuator, schemas.PlanBucket, p, bus.Condition{})
			return err
		})
	})
}

// requested is the one request that the stream holds.
func (y *system) requested() (found schemas.FailoverRequested) {
	y.t.Helper()
	ctx, cancel := context.WithTimeout(y.t.Context(), patience)
	defer cancel()
	topic := schemas.FailoverRequestedTopic
	err := y.bus.Connect(schemas.Recorder, "").Tail(ctx, schemas.Events, 1, []string{topic.Contract().Filter()}, func(m bus.Message) error {
		var err error
		if found, err = topic.Decode(m.Subject, m.Data); err != nil {
			return err
		}
		if found.DryRun {
			return nil
		}
		return errEnd
	})
	if !errors.Is(err, errEnd) {
		y.t.Fatal(err)
	}
	return found
}

// hostile is what someone outside may call a thing.
const hostile = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1> \u202egnp.exe \x1b[31mred \u2066 & \"quoted\" 'so'"

// TestHostileNamesStayText shows them on every page that shows text from outside, drawn by the server and come in live.
func TestHostileNamesStayText(t *testing.T) {
	t.Parallel()
	y := newSystem(t, nil)
	y.populate()
	plan := y.plan("hostile", schemas.PlanFailed)
	plan.Trigger, plan.Actor, plan.Reason = schemas.TriggerRequest, hostile, hostile
	plan.Journal[0].Error, plan.Journal[1].Detail, plan.Quorum[0].Reason = hostile, hostile, hostile
	plan.Candidates[0].Gates[0] = schemas.Gate{Name: hostile, Result: schemas.Fail, Evidence: hostile}
	put(y, y.actuator, schemas.PlanBucket, plan)
	r := y.ranking()
	r.Orders[0].Candidates[0].Gates[0] = schemas.Gate{Name: "image", Result: schemas.Fail, Evidence: hostile, Value: hostile, Threshold: hostile}
	r.Orders[0].Candidates[0].Eligible = false
	put(y, y.ranker, schemas.RankingBucket, r)
	e := schemas.BuildFinished{Build: "bad", App: "shop", Variant: "slim", Trigger: digest("b"), Outcome: "failed", Error: "npm: " + hostile, StartedAt: time.Now(), At: time.Now(), Stages: []schemas.BuildStage{{Name: hostile, Seconds: 1, Steps: 1}}}
	put(y, y.builder, schemas.BuildBucket, schemas.BuildState{App: "shop", Variant: "slim", Last: e, Delivery: hostile})
	alert := func(fingerprint string) {
		publish(y, y.bus.Connect(schemas.Gateway, ""), schemas.AlertReceivedTopic, schemas.AlertReceived{Source: hostile, Fingerprint: fingerprint, Status: "firing", Name: hostile, Labels: map[string]string{hostile: hostile}, Verified: "bearer", StartsAt: time.Now(), At: time.Now()})
	}
	alert("before")
	p := open(t, y.gate.url())
	check := func(where string) {
		t.Helper()
		p.await(where+" shows it", `document.body.textContent.includes("<script>window.pwned=1</script>")`)
		p.await(where+" shows the turn of direction", `document.body.textContent.includes("⟨U+202E⟩")`)
		for what, harmless := range map[string]string{
			"a script ran":              `window.pwned === undefined`,
			"it became an element":      `!document.querySelector("main script, main img, [onerror]")`,
			"a control character is in": `!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(document.documentElement.outerHTML.replace(/[\n\r\t]/g, ""))`,
		} {
			if !must[bool](p, harmless) {
				t.Errorf("%s: %s", where, what)
			}
		}
		p.quiet()
	}
	for _, path := range []string{"/", "/ui/ranking", "/ui/variants", "/ui/failovers", "/ui/failovers/shop/hostile", "/ui/builds", "/ui/events", "/ui/events?q=%3Cscript%3Ewindow.pwned%3D1%3C%2Fscript%3E"} {
		p.load(path)
		check(path)
	}
	rows := must[int](p, `document.querySelectorAll("#facts tr").length`)
	alert("after")
	p.await("the new row", `document.querySelectorAll("#facts tr").length === `+string(rune('0'+rows+1)))
	check("a live row")
}
