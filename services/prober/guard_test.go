package prober_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/processtest"
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

// TestRedirectToWhatTheGuardForbidsAccusesNobody has an app that answers, and sends on to an address that the prober may not reach: whether it is well is not known, so that it has neither a verdict nor a sample.
// The log says why, and what may be done about it.
func TestRedirectToWhatTheGuardForbidsAccusesNobody(t *testing.T) {
	s := bustest.Start(t, "london")
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://10.1.2.3/login", http.StatusFound)
	}))
	t.Cleanup(there.Close)
	app := startApp(t)
	world := topology(100*time.Millisecond, schemas.Endpoint{Variant: "single", HTTP: app.URL})
	world.Apps[0].Endpoints = append(world.Apps[0].Endpoints, schemas.Endpoint{Region: "london", Variant: "single", HTTP: there.URL})
	world.Apps[0].Probe.HTTP = &schemas.HTTPCheck{Redirects: 3}
	apply(t, s, world)
	verdicts := mirror(t, s.Connect(schemas.Actuator, ""), schemas.VerdictBucket)
	environment := settings(t, s, t.TempDir())
	var log processtest.Output
	p := startWith(t, environment, zerolog.New(&log))
	ready(t, environment)
	await(t, verdicts, "the verdict of what answers itself", health(schemas.Up), "london", "shop", "tokyo")
	wait(t, "refusals", func() bool { return counted(t, p, "leeward_prober_refused_total") >= 5 })
	if e, ok := verdicts.Get("london", "shop", "london"); ok {
		t.Errorf("the region that sends on is judged %s: %s", e.Value.Health, e.Value.Reason)
	}
	const says = "http: redirected to http://10.1.2.3/login: not measured: 10.1.2.3 is a private address, which the prober's LEEWARD_PROBE_ALLOW does not hold (as 10.1.2.3/32)"
	if n := strings.Count(log.String(), says); n != 1 {
		t.Errorf("the log says %d times, instead of once, %s:\n%s", n, says, log.String())
	}
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
