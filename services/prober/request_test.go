package prober_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

func TestRequestedLookIsAnsweredWithinOneTimeout(t *testing.T) {
	s := bustest.Start(t, "london")
	app := startApp(t)
	// The rounds are so far apart that only the look can answer.
	world := topology(time.Minute, schemas.Endpoint{Variant: "single", HTTP: app.URL}, schemas.Endpoint{Variant: "slim", HTTP: app.URL})
	world.Apps[0].Probe.Timeout = schemas.Duration(500 * time.Millisecond)
	apply(t, s, world)
	actuator := s.Connect(schemas.Actuator, "")
	verdicts := mirror(t, actuator, schemas.VerdictBucket)
	environment := settings(t, s, t.TempDir())
	start(t, environment)
	ready(t, environment)
	ask := func(incident string) (schemas.Verdict, time.Duration) {
		t.Helper()
		asked := time.Now()
		if err := bus.Publish(t.Context(), actuator, schemas.ProbeRequestedTopic, schemas.ProbeRequested{Incident: incident, App: "shop", Region: "tokyo", Reason: "test", At: asked}); err != nil {
			t.Fatal(err)
		}
		v := await(t, verdicts, "the answer to "+incident, func(v schemas.Verdict) bool { return v.Incident == incident }, "london", "shop", "tokyo")
		return v, time.Since(asked)
	}
	if v, took := ask("well"); v.Health != schemas.Up || took > 400*time.Millisecond {
		t.Errorf("a region that answers is judged %s in %s, want up at once", v.Health, took)
	}
	app.silent.Store(true)
	v, took := ask("silent")
	if v.Health != schemas.Down || v.FailedRounds != 1 {
		t.Errorf("a silent region is judged %s after %d failed rounds, want down after 1", v.Health, v.FailedRounds)
	}
	if took > 800*time.Millisecond {
		t.Errorf("the answer took %s, want a timeout of 500 ms and the 100 ms of the second look", took)
	}
	app.silent.Store(false)
	app.status.Store(503)
	if v, took := ask("broken"); v.Health != schemas.Down || took > 300*time.Millisecond {
		t.Errorf("a broken region is judged %s in %s, want down at once, since it failed before", v.Health, took)
	}
	app.status.Store(200)
	if v, _ := ask("back"); v.Health != schemas.Up {
		t.Errorf("a region that answers again is judged %s, want up", v.Health)
	}
}
