package decide_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
)

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	vantages = []string{"dallas", "frankfurt", "london", "madrid", "tokyo"}
	regions  = []string{"frankfurt", "london", "dallas", "tokyo"}
)

func slim(region string) schemas.Candidate { return schemas.Candidate{Region: region, Variant: "slim"} }

// facts are a calm world: traffic in frankfurt, everything up and measured, london ranked first for every active region, then dallas, tokyo, frankfurt.
func facts() decide.Facts {
	app := schemas.App{
		Name: "shop", Source: schemas.Source{Context: "shop"}, Mode: "auto", Start: slim("frankfurt"), Variants: []schemas.Variant{{Name: "slim"}},
		Probe: schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(800 * time.Millisecond), DownAfter: 3},
		Failover: schemas.Failover{Verdicts: true, Quorum: 0.6, MinVantages: 3, MaxRankingAge: schemas.Duration(time.Minute), CoolDown: schemas.Duration(time.Hour),
			Shift: []int{5, 50, 100}, Bake: schemas.Duration(time.Second)},
		Targets: []schemas.Target{{Name: "entry", HAProxy: &schemas.HAProxyTarget{}}},
	}
	f := decide.Facts{Now: now, Route: schemas.Route{App: "shop", Active: slim("frankfurt"), Epoch: schemas.Epoch{Term: 2, N: 7}}}
	for _, region := range regions {
		f.Topology.Regions = append(f.Topology.Regions, schemas.Region{Name: region})
		app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: "slim"})
		app.Targets[0].HAProxy.Servers = append(app.Targets[0].HAProxy.Servers, schemas.HAProxyServer{Region: region, Variant: "slim", Server: region})
		f.Images = append(f.Images, schemas.ImageState{App: "shop", Variant: "slim", Region: region, Digest: "sha256:ab", Parity: "verified", Since: now})
		for _, vantage := range vantages {
			f.Verdicts = append(f.Verdicts, schemas.Verdict{Vantage: vantage, App: "shop", Region: region, Health: schemas.Up, Since: now, At: now,
				Variants: []schemas.VariantHealth{{Variant: "slim", OK: true}}})
		}
	}
	for _, vantage := range vantages {
		f.Presences = append(f.Presences, schemas.Presence{Vantage: vantage, Sighted: true, At: now})
	}
	f.Topology.Apps = []schemas.App{app}
	f.App = app
	f.Ranking = schemas.Ranking{App: "shop", At: now.Add(-5 * time.Second), Topology: f.Topology.Hash()}
	for _, active := range regions {
		o := schemas.Order{Active: active}
		for _, region := range []string{"london", "dallas", "tokyo", "frankfurt"} {
			o.Candidates = append(o.Candidates, schemas.RankedCandidate{Candidate: slim(region), Running: true, Enough: true, Eligible: true,
				Gates: []schemas.Gate{{Name: "healthy", Result: schemas.Unknown, Evidence: "old"}, {Name: "distance", Result: schemas.Pass}}})
		}
		f.Ranking.Orders = append(f.Ranking.Orders, o)
	}
	return f
}

// down makes so many vantages see a region down.
func down(f *decide.Facts, region string, accusers int) {
	for i := range f.Verdicts {
		v := &f.Verdicts[i]
		if v.Region == region && slices.Index(vantages, v.Vantage) < accusers {
			v.Health, v.Since, v.Variants = schemas.Down, now.Add(-time.Duration(10-slices.Index(vantages, v.Vantage))*time.Second), nil
		}
	}
}

// withApp changes the app everywhere, and the ranking's topology with it.
func withApp(f *decide.Facts, change func(*schemas.App)) {
	change(&f.App)
	f.Topology.Apps = []schemas.App{f.App}
	f.Ranking.Topology = f.Topology.Hash()
}

// rediscovered has discovery give the last endpoint another address, after the ranking was made.
func rediscovered(f *decide.Facts) {
	f.Ranking.Declared = f.Topology.Declared().Hash()
	withApp(f, func(a *schemas.App) {
		e := a.Endpoints[len(a.Endpoints)-1]
		e.Region, e.Variant, e.Found = "tokyo", "fat", "pods"
		a.Endpoints = append(slices.Clone(a.Endpoints), e)
	})
	f.Ranking.Topology = "that of a moment ago"
}

// replicated gives the app a primary database, silent for half a minute, and every region one that lacks so much of it. The ranking says that all were close.
func replicated(f *decide.Facts, lag map[string]time.Duration) {
	withApp(f, func(a *schemas.App) { a.Gates.RPO = schemas.Duration(2 * time.Second) })
	for n := range order(f) {
		gateOf(f, n, "replication", schemas.Pass)
	}
	written := now.Add(-time.Hour) // by the primary's clock
	for i := range f.Verdicts {
		v := &f.Verdicts[i]
		v.Replication = &schemas.Replication{Acknowledged: schemas.Heartbeat{At: written, Token: 9, SeenAt: now.Add(-30 * time.Second)},
			Replayed: schemas.Heartbeat{At: written.Add(-lag[v.Region]), Token: 9, SeenAt: now}}
	}
}

// order is the order for traffic in frankfurt.
func order(f *decide.Facts) []schemas.RankedCandidate { return f.Ranking.Orders[0].Candidates }

func gateOf(f *decide.Facts, n int, name string, result schemas.GateResult) {
	c := &order(f)[n]
	c.Gates = append(slices.Clone(c.Gates), schemas.Gate{Name: name, Result: result, Evidence: "for the test"})
}

var (
	byVerdicts = decide.Incident{ID: "i", Trigger: schemas.TriggerVerdicts, Region: "frankfurt", Reason: "verdicts"}
	byAlert    = decide.Incident{ID: "i", Trigger: schemas.TriggerAlert, Region: "frankfurt", Reason: "alert", AlertAt: now, AskedAt: now}
	byRequest  = decide.Incident{ID: "i", Trigger: schemas.TriggerRequest, Region: "frankfurt", Reason: "ada: test", Actor: "ada"}
)

func to(region, variant string) decide.Incident {
	i := byRequest
	i.To = schemas.Candidate{Region: region, Variant: variant}
	return i
}

func forced(region string) decide.Incident {
	i := to(region, "")
	i.Force = true
	return i
}

func past(state schemas.PlanState, trigger string, ago time.Duration, journal ...schemas.JournalStep) schemas.Plan {
	return schemas.Plan{State: state, Trigger: trigger, To: slim("london"), Times: schemas.PlanTimes{EndedAt: now.Add(-ago)}, Journal: journal}
}

func TestDecide(t *testing.T) {
	failedVerify := schemas.JournalStep{Name: decide.StepVerify, Result: decide.ResultFailed}
	for name, c := range map[string]struct {
		incident decide.Incident
		change   func(*decide.Facts)
		to       schemas.Candidate
		cause    decide.Cause
		says     string
	}{
		"quorum":          {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 3) }, slim("london"), "", "3 of 5 sighted vantages say frankfurt is down"},
		"no quorum":       {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 2) }, schemas.Candidate{}, decide.Unconfirmed, "do not confirm: 2 of 5"},
		"too few sighted": {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); f.Presences = f.Presences[:2] }, schemas.Candidate{}, decide.Unconfirmed, "2 are sighted and 3 are needed"},
		"expired is blind, not down": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Now = now.Add(time.Minute)
			f.Ranking.At = f.Now
		}, schemas.Candidate{}, decide.Unconfirmed, "0 are sighted"},
		"alert confirmed":             {byAlert, func(f *decide.Facts) { down(f, "frankfurt", 4) }, slim("london"), "", "alert; 4 of 5"},
		"half looks down and no more": {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); down(f, "tokyo", 5) }, slim("london"), "", ""},
		"more than half looks down": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			down(f, "tokyo", 5)
			down(f, "dallas", 3)
		}, schemas.Candidate{}, decide.Frozen, "half of everything looks down (3 of 4): suspecting the probes"},
		"both of two regions are no freeze, and nobody is left": {byVerdicts, func(f *decide.Facts) {
			withApp(f, func(a *schemas.App) { a.Endpoints = a.Endpoints[:2] })
			f.Topology.Regions = f.Topology.Regions[:2]
			f.Ranking.Topology = f.Topology.Hash()
			down(f, "frankfurt", 5)
			down(f, "london", 5)
		}, schemas.Candidate{}, decide.NoCandidate, "london/slim fails healthy"},
		"cooling down": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Plans = []schemas.Plan{past(schemas.PlanFinished, schemas.TriggerAlert, 59*time.Minute)}
		}, schemas.Candidate{}, decide.Cooling, "another 1m0s"},
		"cooled down": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Plans = []schemas.Plan{past(schemas.PlanFinished, schemas.TriggerAlert, time.Hour)}
		}, slim("london"), "", ""},
		"a failed attempt does not cool": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Plans = []schemas.Plan{past(schemas.PlanFailed, schemas.TriggerAlert, time.Second)}
		}, slim("london"), "", ""},
		"a request does not cool": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Plans = []schemas.Plan{past(schemas.PlanFinished, schemas.TriggerRequest, time.Second)}
		}, slim("london"), "", ""},
		"people are not held by cooling": {to("dallas", ""), func(f *decide.Facts) {
			f.Plans = []schemas.Plan{past(schemas.PlanFinished, schemas.TriggerAlert, time.Second)}
		}, slim("dallas"), "", "ada: test"},
		"stale ranking":                              {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); f.Ranking.At = now.Add(-61 * time.Second) }, schemas.Candidate{}, decide.Stale, "1m1s old"},
		"stale ranking, request":                     {byRequest, func(f *decide.Facts) { f.Ranking.At = now.Add(-61 * time.Second) }, schemas.Candidate{}, decide.Stale, "1m1s old"},
		"stale ranking, request that names a region": {to("dallas", ""), func(f *decide.Facts) { f.Ranking.At = now.Add(-61 * time.Second) }, slim("dallas"), "", "ada: test"},
		"named region, another topology":             {to("dallas", ""), func(f *decide.Facts) { f.Ranking.Topology = "old" }, schemas.Candidate{}, decide.Stale, "another topology"},
		"named region, no ranking":                   {to("dallas", ""), func(f *decide.Facts) { f.Ranking = schemas.Ranking{} }, schemas.Candidate{}, decide.Stale, "no ranking"},
		"stale ranking does not open a gate":         {to("london", ""), func(f *decide.Facts) { f.Ranking.At = now.Add(-61 * time.Second); down(f, "london", 5) }, schemas.Candidate{}, decide.NoCandidate, "london/slim fails healthy"},
		"forced past a gate": {forced("london"), func(f *decide.Facts) {
			gateOf(f, 0, "distance2", schemas.Fail)
			f.Images[1].Parity = "pending"
		}, slim("london"), "", "forced past distance2 (for the test), image (sha256:ab pending); ada: test"},
		"forced without need":           {forced("london"), nil, slim("london"), "", "ada: test"},
		"forced without a ranking":      {forced("tokyo"), func(f *decide.Facts) { f.Ranking = schemas.Ranking{} }, slim("tokyo"), "", "forced past there is no ranking, "},
		"forced, ranked for another":    {forced("tokyo"), func(f *decide.Facts) { f.Ranking.Topology = "old" }, slim("tokyo"), "", "forced past the ranking was made for another topology; ada: test"},
		"forced to where traffic is":    {forced("frankfurt"), nil, schemas.Candidate{}, decide.There, "traffic is already in frankfurt/slim"},
		"forced to the unknown":         {forced("paris"), nil, schemas.Candidate{}, decide.NoCandidate, "none is ranked"},
		"forced to what has no server":  {forced("london"), func(f *decide.Facts) { withApp(f, func(a *schemas.App) { a.Targets = unserved("london") }) }, schemas.Candidate{}, decide.NoCandidate, "london/slim fails steered"},
		"forced to what runs no longer": {forced("london"), func(f *decide.Facts) { withApp(f, func(a *schemas.App) { a.Endpoints = a.Endpoints[2:] }) }, schemas.Candidate{}, decide.NoCandidate, "london/slim fails measured"},
		"forced in mode observe":        {forced("london"), func(f *decide.Facts) { withApp(f, func(a *schemas.App) { a.Mode = "observe" }) }, schemas.Candidate{}, decide.Observing, "mode observe"},
		"no ranking":                    {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); f.Ranking = schemas.Ranking{} }, schemas.Candidate{}, decide.Stale, "no ranking"},
		"another topology":              {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); f.Ranking.Topology = "old" }, schemas.Candidate{}, decide.Stale, "another topology"},
		"another address by discovery":  {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); rediscovered(f) }, slim("london"), "", ""},
		"first fails a gate":            {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); gateOf(f, 0, "jurisdiction", schemas.Fail) }, slim("dallas"), "", ""},
		"unknown is fail":               {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); gateOf(f, 0, "rtt", schemas.Unknown) }, slim("dallas"), "", ""},
		"first is down by now":          {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); down(f, "london", 3) }, slim("dallas"), "", ""},
		"first has no image":            {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); f.Images[1].Parity = "pending" }, slim("dallas"), "", ""},
		"first is not measured":         {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); order(f)[0].Enough = false }, slim("dallas"), "", ""},
		"first does not run":            {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); order(f)[0].Running = false }, slim("dallas"), "", ""},
		"first has no server": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			withApp(f, func(a *schemas.App) { a.Targets = unserved("london") })
		}, slim("dallas"), "", ""},
		"first was rolled back": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Plans = []schemas.Plan{past(schemas.PlanRolledBack, schemas.TriggerVerdicts, time.Minute, failedVerify)}
		}, slim("dallas"), "", ""},
		"long ago is forgiven": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			f.Plans = []schemas.Plan{past(schemas.PlanRolledBack, schemas.TriggerVerdicts, time.Hour, failedVerify)}
		}, slim("london"), "", ""},
		"people may try again": {to("london", ""), func(f *decide.Facts) {
			f.Plans = []schemas.Plan{past(schemas.PlanRolledBack, schemas.TriggerVerdicts, time.Minute, failedVerify)}
		}, slim("london"), "", ""},
		"first fell behind since it was ranked": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			replicated(f, map[string]time.Duration{"london": 5 * time.Second})
		}, slim("dallas"), "", ""},
		"all hold what the lost primary acknowledged": {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); replicated(f, nil) }, slim("london"), "", ""},
		"nobody knows what the lost primary acknowledged": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			replicated(f, nil)
			for _, v := range f.Verdicts {
				v.Replication.Acknowledged = schemas.Heartbeat{}
			}
		}, schemas.Candidate{}, decide.NoCandidate, "london/slim fails replication (no vantage knows a write that the primary acknowledged)"},
		"people are held by what would be lost": {to("london", ""), func(f *decide.Facts) { replicated(f, map[string]time.Duration{"london": 5 * time.Second}) }, schemas.Candidate{}, decide.NoCandidate,
			"london/slim fails replication (5.00 s behind the last write the primary acknowledged, at most 2s allowed"},
		"nobody passes": {byVerdicts, func(f *decide.Facts) { down(f, "frankfurt", 5); f.Images = nil }, schemas.Candidate{}, decide.NoCandidate, "no candidate passes every gate: london/slim fails image"},
		"observed": {byVerdicts, func(f *decide.Facts) {
			down(f, "frankfurt", 5)
			withApp(f, func(a *schemas.App) { a.Mode = "observe" })
		}, schemas.Candidate{}, decide.Observing, "traffic would have moved to london/slim"},
		"request names a region":    {to("tokyo", ""), nil, slim("tokyo"), "", "ada: test"},
		"request names nothing":     {byRequest, nil, slim("london"), "", ""},
		"request fails a gate":      {to("london", ""), func(f *decide.Facts) { gateOf(f, 0, "distance2", schemas.Fail) }, schemas.Candidate{}, decide.NoCandidate, "london/slim fails distance2 (for the test)"},
		"request for what is there": {to("frankfurt", "slim"), nil, schemas.Candidate{}, decide.There, "traffic is already in frankfurt/slim"},
		"request for the unknown":   {to("paris", ""), nil, schemas.Candidate{}, decide.NoCandidate, "none is ranked"},
		"request, half is down": {to("dallas", ""), func(f *decide.Facts) {
			for _, region := range []string{"frankfurt", "london", "tokyo"} {
				down(f, region, 5)
			}
		}, slim("dallas"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			if c.change != nil {
				c.change(&f)
			}
			d := decide.Decide(f, c.incident, f.Confirmed(c.incident))
			if d.Plan.To != c.to || d.Cause != c.cause || !strings.Contains(d.Plan.Reason, c.says) {
				t.Fatalf("to %s, cause %q, reason %q; want %s, %q, %q", d.Plan.To, d.Cause, d.Plan.Reason, c.to, c.cause, c.says)
			}
			if err := d.Plan.Validate(); err != nil {
				t.Error(err)
			}
			if d.Plan.Forced != strings.HasPrefix(d.Plan.Reason, "forced past") {
				t.Errorf("forced is %v with the reason %q", d.Plan.Forced, d.Plan.Reason)
			}
			if refused := d.Plan.State == schemas.PlanRefused; refused != (c.cause != "") || refused != (len(d.Plan.Journal) == 0) {
				t.Errorf("state %s with cause %q and %d steps", d.Plan.State, d.Cause, len(d.Plan.Journal))
			}
			if d.Plan.Epoch != (schemas.Epoch{Term: 2, N: 8}) {
				t.Errorf("epoch %v is not the next", d.Plan.Epoch)
			}
			if again := decide.Decide(f, c.incident, f.Confirmed(c.incident)); !cmp.Equal(again, d) {
				t.Errorf("decided again: %s", cmp.Diff(d, again))
			}
		})
	}
}

// unserved are targets without a server for one region.
func unserved(region string) []schemas.Target {
	t := schemas.Target{Name: "entry", HAProxy: &schemas.HAProxyTarget{}}
	for _, r := range regions {
		if r != region {
			t.HAProxy.Servers = append(t.HAProxy.Servers, schemas.HAProxyServer{Region: r, Variant: "slim", Server: r})
		}
	}
	return []schemas.Target{t}
}

func TestAlertIsConfirmedOnlyByALookAfterIt(t *testing.T) {
	f := facts()
	withApp(&f, func(a *schemas.App) { a.Failover.Verdicts = false })
	down(&f, "frankfurt", 5)
	i := byAlert
	i.AskedAt = now.Add(time.Millisecond)
	if q := f.Confirmed(i); q.Down || q.Accusing != 0 || q.Sighted != 5 {
		t.Errorf("verdicts from before count: %+v", q)
	}
	for n := range f.Verdicts {
		if f.Verdicts[n].Region == "frankfurt" && n%5 < 3 {
			f.Verdicts[n].Incident = i.ID // a look for this incident, though its clock is behind
		}
	}
	q := f.Confirmed(i)
	if !q.Down || q.Accusing != 3 || q.Sighted != 5 || !q.FirstDown.Equal(now.Add(-10*time.Second)) {
		t.Errorf("three looks of five: %+v", q)
	}
}

func TestPlanShowsEveryCandidateWithItsGatesAsTheyAreNow(t *testing.T) {
	f := facts()
	down(&f, "frankfurt", 5)
	p := decide.Decide(f, byVerdicts, f.Confirmed(byVerdicts)).Plan
	if len(p.Candidates) != 4 || !p.Candidates[0].Chosen || p.Candidates[1].Chosen {
		t.Fatalf("candidates %+v", p.Candidates)
	}
	want := []schemas.Gate{
		{Name: "healthy", Result: schemas.Pass, Evidence: "5 of 5 sighted vantages say up", Value: "5 vantages", Threshold: "3 vantages", EvidenceAt: now},
		{Name: "distance", Result: schemas.Pass},
		{Name: "image", Result: schemas.Pass, Evidence: "sha256:ab verified", Value: "verified", Threshold: "verified", EvidenceAt: now},
		{Name: "allowed", Result: schemas.Pass, Evidence: "no override"},
	}
	if diff := cmp.Diff(want, p.Candidates[0].Gates); diff != "" {
		t.Error(diff)
	}
	if last := p.Candidates[3]; last.Eligible || !slices.ContainsFunc(last.Gates, func(g schemas.Gate) bool { return g.Name == "left" && g.Result == schemas.Fail }) {
		t.Errorf("the region that is left: %+v", last)
	}
	if g := order(&f)[0].Gates[0]; g.Evidence != "old" {
		t.Errorf("deciding changed the ranking it was given: %+v", g)
	}
}

// TestWhatChangedSinceTheRankingCounts decides by a ranking that lets every candidate pass what it no longer does, and by one that lets none.
func TestWhatChangedSinceTheRankingCounts(t *testing.T) {
	exclude := func(region string, left time.Duration) schemas.Override {
		return schemas.Override{App: "shop", Region: region, Kind: schemas.Exclude, Why: "disk trouble", Who: "anna", At: now, Until: now.Add(left)}
	}
	pin := schemas.Override{App: "shop", Region: "tokyo", Kind: schemas.Pin, Why: "canary", Who: "anna", At: now, Until: now.Add(time.Hour)}
	loaded := func(f *decide.Facts, rps float64) {
		f.App.Gates.Headroom, f.App.Endpoints = 1.2, slices.Clone(f.App.Endpoints)
		for i := range f.App.Endpoints {
			f.App.Endpoints[i].Capacity = float64(1000 * (i + 1)) // frankfurt, london, dallas, tokyo
		}
		f.Load = schemas.Load{App: "shop", RequestsPerSecond: rps, At: now}
	}
	for _, c := range []struct {
		what   string
		change func(*decide.Facts)
		want   string
	}{
		{"nothing", func(*decide.Facts) {}, "london"},
		{"the first excluded", func(f *decide.Facts) { f.Overrides = []schemas.Override{exclude("london", time.Hour)} }, "dallas"},
		{"two excluded", func(f *decide.Facts) {
			f.Overrides = []schemas.Override{exclude("london", time.Hour), exclude("dallas", time.Hour)}
		}, "tokyo"},
		{"excluded until now", func(f *decide.Facts) { f.Overrides = []schemas.Override{exclude("london", 0)} }, "london"},
		{"the third pinned", func(f *decide.Facts) { f.Overrides = []schemas.Override{pin} }, "tokyo"},
		{"all excluded", func(f *decide.Facts) {
			f.Overrides = []schemas.Override{exclude("london", time.Hour), exclude("dallas", time.Hour), exclude("tokyo", time.Hour)}
		}, ""},
		{"an order the ranking knew of has ended", func(f *decide.Facts) {
			gates := &f.Ranking.Orders[0].Candidates[0].Gates
			*gates = append(*gates, schemas.Gate{Name: "allowed", Result: schemas.Fail, Evidence: "excluded"})
		}, "london"},
		{"load that two can carry", func(f *decide.Facts) { loaded(f, 2500) }, "dallas"},
		{"load that one can carry", func(f *decide.Facts) { loaded(f, 3000) }, "tokyo"},
		{"load that none can carry", func(f *decide.Facts) { loaded(f, 4000) }, ""},
		{"load that is not known", func(f *decide.Facts) { loaded(f, 1); f.Load = schemas.Load{} }, ""},
	} {
		f := facts()
		c.change(&f)
		down(&f, "frankfurt", 5)
		d := decide.Decide(f, byVerdicts, f.Confirmed(byVerdicts))
		if d.Plan.To.Region != c.want || (c.want == "") != (d.Cause == decide.NoCandidate) {
			t.Errorf("%s: to %q, %s (%s); want %q", c.what, d.Plan.To.Region, d.Cause, d.Plan.Reason, c.want)
		}
	}
}

// TestPersonMayInsistPastAnotherPersonsOrder names the order in the decision.
func TestPersonMayInsistPastAnotherPersonsOrder(t *testing.T) {
	f := facts()
	f.Overrides = []schemas.Override{{App: "shop", Region: "tokyo", Kind: schemas.Exclude, Why: "disk trouble", Who: "anna", At: now, Until: now.Add(time.Hour)}}
	i := to("tokyo", "")
	if d := decide.Decide(f, i, f.Confirmed(i)); d.Cause != decide.NoCandidate || !strings.Contains(d.Plan.Reason, "tokyo/slim fails allowed (excluded by anna until 2026-03-01 13:00:00 UTC: disk trouble)") {
		t.Errorf("asked: %s (%s)", d.Cause, d.Plan.Reason)
	}
	i.Force = true
	if p := decide.Decide(f, i, f.Confirmed(i)).Plan; p.To.Region != "tokyo" || !p.Forced || !strings.HasPrefix(p.Reason, "forced past allowed (excluded by anna") {
		t.Errorf("insisted: to %s, forced %t, %s", p.To, p.Forced, p.Reason)
	}
}

func TestFailedRegionIsLeftWithAllItsVariants(t *testing.T) {
	f := facts()
	down(&f, "frankfurt", 5)
	f.Ranking.Orders[0].Candidates = append(order(&f), schemas.RankedCandidate{Candidate: schemas.Candidate{Region: "frankfurt", Variant: "other"}, Running: true, Enough: true})
	p := decide.Decide(f, byVerdicts, f.Confirmed(byVerdicts)).Plan
	evidence := map[string]string{}
	for _, c := range p.Candidates {
		for _, g := range c.Gates {
			if g.Name == "left" && g.Result == schemas.Fail {
				evidence[c.Candidate.String()] = g.Evidence
			}
		}
	}
	want := map[string]string{"frankfurt/slim": "traffic is there now", "frankfurt/other": "it is in the region that failed"}
	if diff := cmp.Diff(want, evidence); diff != "" {
		t.Error(diff)
	}
}

func TestDeadRegionIsLeftAtOnceAndALiveOneByShares(t *testing.T) {
	lines := func(steps []schemas.JournalStep) string {
		var all []string
		for _, s := range steps {
			all = append(all, strings.TrimSpace(s.Name+" "+s.Target+" "+s.Detail))
		}
		return strings.Join(all, "\n")
	}
	live := facts()
	got := lines(decide.Decide(live, to("tokyo", ""), live.Confirmed(to("tokyo", ""))).Plan.Journal)
	want := `fence  epoch 2.8 sends traffic to tokyo/slim
shift entry frankfurt/slim=95 tokyo/slim=5
bake  1s
shift entry frankfurt/slim=50 tokyo/slim=50
bake  1s
shift entry tokyo/slim=100
verify
record`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	dead := facts()
	down(&dead, "frankfurt", 5)
	plan := decide.Decide(dead, to("tokyo", ""), dead.Confirmed(to("tokyo", ""))).Plan
	want = "fence  epoch 2.8 sends traffic to tokyo/slim\nshift entry tokyo/slim=100\nverify\nrecord"
	if diff := cmp.Diff(want, lines(plan.Journal)); diff != "" {
		t.Error(diff)
	}
	back := decide.Rollback(dead.App, plan, 2)
	want = "fence  epoch 2.8 sends traffic to tokyo/slim\nshift entry tokyo/slim=100\nverify\nfence  epoch 2.9 sends traffic to frankfurt/slim\nrollback entry frankfurt/slim=100\nrecord"
	if diff := cmp.Diff(want, lines(back.Journal)); diff != "" || back.Epoch != (schemas.Epoch{Term: 2, N: 9}) {
		t.Error(diff, back.Epoch)
	}
}
