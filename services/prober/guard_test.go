package prober_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// TestWhatTheGuardForbidsAccusesNobody measures an endpoint that may be reached and one that may not: the one has its verdict, the other none, and no sample.
func TestWhatTheGuardForbidsAccusesNobody(t *testing.T) {
	s := bustest.Start(t, "london")
	app := startApp(t)
	world := topology(100*time.Millisecond, schemas.Endpoint{Variant: "single", HTTP: app.URL})
	world.Apps[0].Endpoints = append(world.Apps[0].Endpoints, schemas.Endpoint{Region: "london", Variant: "single", HTTP: "http://192.168.77.1/", ICMP: "192.168.77.1", TCP: "169.254.169.254:80"})
	apply(t, s, world)
	verdicts := mirror(t, s.Connect(schemas.Actuator, ""), schemas.VerdictBucket)
	environment := settings(t, s, t.TempDir())
	p := start(t, environment)
	ready(t, environment)
	await(t, verdicts, "the verdict of what may be reached", health(schemas.Up), "london", "shop", "tokyo")
	wait(t, "refusals", func() bool {
		return counted(t, p, "leeward_prober_refused_total") >= 9
	})
	if e, ok := verdicts.Get("london", "shop", "london"); ok {
		t.Errorf("a region that may not be reached is judged %s: %s", e.Value.Health, e.Value.Reason)
	}
	seen := 0
	stored(t.Context(), t, s.Connect(schemas.Recorder, ""), func(batches []*schemas.SampleBatch) bool {
		for i := range batches[len(batches)-1].Len() {
			one := batches[len(batches)-1].At(i)
			if one.Region == "london" {
				t.Errorf("a sample of what was not measured: %+v", one)
			}
			seen++
		}
		return seen >= 10
	})
}

// counted is the value of a counter of a prober.
func counted(t *testing.T, p running, name string) float64 {
	t.Helper()
	families, err := p.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}
