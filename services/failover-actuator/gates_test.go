package actuator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// gateOf is a gate of a candidate in a plan.
func gateOf(p schemas.Plan, region, name string) schemas.Gate {
	for _, c := range p.Candidates {
		for _, g := range c.Gates {
			if c.Region == region && g.Name == name {
				return g
			}
		}
	}
	return schemas.Gate{}
}

func (w *world) order(kind, region string, left time.Duration) schemas.Override {
	w.Helper()
	o := schemas.Override{App: "shop", Region: region, Kind: kind, Why: "disk trouble", Who: "anna", At: time.Now().Add(-time.Hour), Until: time.Now().Add(left)}
	put(w, w.gateway, schemas.OverrideBucket, o)
	return o
}

// TestRegionThatWasExcludedAfterItWasRankedIsNotChosen moves traffic past the best-ranked region, by verdicts; a region whose exclusion has ended is a choice again.
func TestRegionThatWasExcludedAfterItWasRankedIsNotChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	o := w.order(schemas.Exclude, "london", time.Hour)
	w.order(schemas.Exclude, "tokyo", -time.Second)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	plan := w.awaitPlan(schemas.PlanFinished)
	if plan.To != in("tokyo") {
		t.Errorf("plan %+v", plan)
	}
	want := "excluded by anna until " + o.Until.UTC().Format("2006-01-02 15:04:05 UTC") + ": disk trouble"
	if g := gateOf(plan, "london", "allowed"); g.Result != schemas.Fail || g.Evidence != want {
		t.Errorf("london's gate is %+v, want %q", g, want)
	}
}

// TestRefusedRegionIsTakenOnceItsExclusionEnds has no other region left: traffic moves when the order ends, and nobody has to ask again.
func TestRefusedRegionIsTakenOnceItsExclusionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.order(schemas.Exclude, "tokyo", time.Hour)
	w.order(schemas.Exclude, "london", time.Hour)
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	w.awaitPlan(schemas.PlanRefused)
	e, err := bus.Get(w.ctx, w.gateway, schemas.OverrideBucket, "shop", "london")
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Delete(w.ctx, w.gateway, schemas.OverrideBucket, e.Revision, "shop", "london"); err != nil {
		t.Fatal(err)
	}
	w.awaitRoute("london", 2)
}

// visit asks at an entry again and again, until the returned function says how often that was.
func (w *world) visit(url string, every time.Duration) (ended func() int) {
	asked, stop := make(chan int), make(chan struct{})
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				asked <- n
				return
			case <-time.After(every):
			}
			if r, err := http.Get(url); err == nil {
				_ = r.Body.Close()
			}
		}
	}()
	return func() int { close(stop); return <-asked }
}

// TestRequestsAtTheTargetAreTheLoadThatARegionMustCarry asks at the entry for ten seconds, and has the best-ranked region declare less than that.
func TestRequestsAtTheTargetAreTheLoadThatARegionMustCarry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(app *schemas.App) {
		app.Gates.Headroom = 2
		for i := range app.Endpoints {
			app.Endpoints[i].Capacity = 10_000
		}
		app.Endpoints[1].Capacity = 1 // london
	})
	loads := bus.NewMirror(w.gateway, schemas.LoadBucket)
	go func() { _ = loads.Run(w.ctx) }()
	w.act("one")
	w.awaitRoute("frankfurt", 1)
	ended := w.visit(w.proxy.URL, 20*time.Millisecond)
	began := time.Now()
	load := await(w, loads, "a load", func(l schemas.Load) bool { return l.RequestsPerSecond > 1 })
	if most := float64(ended()) / time.Since(began).Seconds(); load.RequestsPerSecond > 1.3*most+2 || load.RequestsPerSecond < 0.5*most {
		t.Errorf("the load is %.1f per second, asked were %.1f", load.RequestsPerSecond, most)
	}
	w.kill("frankfurt")
	w.sees("frankfurt", 4)
	plan := w.awaitPlan(schemas.PlanFinished)
	if g := gateOf(plan, "london", "capacity"); plan.To != in("tokyo") || g.Result != schemas.Fail {
		t.Errorf("to %s past %+v", plan.To, g)
	}
}
