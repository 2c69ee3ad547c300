package rank_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

func gateOf(c schemas.RankedCandidate, name string) schemas.Gate {
	for _, g := range c.Gates {
		if g.Name == name {
			return g
		}
	}
	return schemas.Gate{}
}

// good is a world in which london/slim passes every gate when frankfurt is active.
func good(t *testing.T) (schemas.Topology, rank.Inputs, rank.State) {
	world := topology()
	in := inputs(t, world, map[string]func() float64{"frankfurt/slim": always(20), "london/slim": always(30), "tokyo/slim": always(40)})
	in.Cells = append(in.Cells,
		cellOf(t, in, "frankfurt", "london/slim", "icmp", 1, always(15)),
		cellOf(t, in, "frankfurt", "tokyo/slim", "icmp", 1, always(230)),
		cellOf(t, in, "london", "london/slim", "icmp", 1, always(999)))
	return world, in, healthy(world)
}

// follows limits the app's RPO to two seconds and has every database be behind.
func follows(lag time.Duration) func(*schemas.Topology, *rank.Inputs, *rank.State) {
	return func(w *schemas.Topology, _ *rank.Inputs, s *rank.State) {
		w.Apps[0].Gates.RPO = schemas.Duration(2 * time.Second)
		seen := end.Add(-time.Second)
		for i := range s.Verdicts {
			s.Verdicts[i].Replication = &schemas.Replication{
				Acknowledged: schemas.Heartbeat{At: end, Token: 9, SeenAt: seen}, Replayed: schemas.Heartbeat{At: end.Add(-lag), Token: 8, SeenAt: seen}}
		}
	}
}

// TestRankingIsOutdatedOnceTheLagPassesTheLimit lets a database fall behind after it was ranked.
func TestRankingIsOutdatedOnceTheLagPassesTheLimit(t *testing.T) {
	world, in, state := good(t)
	if g := gateOf(find(t, compute(t, in, world, state), "frankfurt", "london/slim"), "replication"); g != (schemas.Gate{}) {
		t.Errorf("an app without an RPO has the gate %+v", g)
	}
	follows(time.Second)(&world, &in, &state)
	r := compute(t, in, world, state)
	app := world.Apps[0]
	if rank.Outdated(r, app, state, end) {
		t.Error("outdated as soon as it was computed")
	}
	follows(3*time.Second)(&world, &in, &state)
	if !rank.Outdated(r, app, state, end) {
		t.Error("not outdated though every database fell behind")
	}
	if !rank.Outdated(compute(t, in, world, state), app, rank.State{}, end) {
		t.Error("not outdated though nothing is known any more")
	}
	app.Gates.RPO = 0
	if rank.Outdated(r, app, state, end) {
		t.Error("outdated by a gate that the app no longer has")
	}
}

// TestRankingIsOutdatedOnceAPersonOrderedOtherwise excludes a candidate after it was ranked, and lets that end.
func TestRankingIsOutdatedOnceAPersonOrderedOtherwise(t *testing.T) {
	world, in, state := good(t)
	app := world.Apps[0]
	free := compute(t, in, world, state)
	ordered(schemas.Exclude, "london", "disk trouble")(&world, &in, &state)
	if !rank.Outdated(free, app, state, end) {
		t.Error("not outdated though a person excluded a region")
	}
	excluded := compute(t, in, world, state)
	if rank.Outdated(excluded, app, state, end) {
		t.Error("outdated though it knows what was ordered")
	}
	if !rank.Outdated(excluded, app, state, end.Add(3*time.Hour)) {
		t.Error("not outdated though the order has ended")
	}
}

// TestWhatGatesLookAtIsStored computes a ranking again that a load, an order, a gate of the user's own and an impossible round trip had a part in.
func TestWhatGatesLookAtIsStored(t *testing.T) {
	world, in, state := good(t)
	for _, change := range []func(*schemas.Topology, *rank.Inputs, *rank.State){loaded(250), ordered(schemas.Exclude, "tokyo", "disk trouble"), own("region.name != 'tokyo'"), hurried} {
		change(&world, &in, &state)
	}
	another := state.Overrides[0]
	another.App = "blog"
	state.Overrides = append(state.Overrides, another)
	state.Custom = celgate.Compile(world.Apps[0].Gates.Custom)
	r := compute(t, in, world, state)
	again, err := rank.Again(r.Inputs)
	if diff := cmp.Diff(r, again); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if len(r.Warnings) != 1 || strings.Contains(string(r.Inputs), "blog") || !strings.Contains(string(r.Inputs), "disk trouble") {
		t.Errorf("warnings %q, stored %.2000s", r.Warnings, r.Inputs)
	}
}

func TestEveryGatePassesFailsAndIsUnknown(t *testing.T) {
	type change func(*schemas.Topology, *rank.Inputs, *rank.State)
	cells := func(edit func(*rank.Cell)) change {
		return func(_ *schemas.Topology, in *rank.Inputs, _ *rank.State) {
			for i := range in.Cells {
				edit(&in.Cells[i])
			}
		}
	}
	results := map[string][]schemas.GateResult{}
	for _, c := range []struct {
		what, active, candidate string
		change                  change
		want                    schemas.Gate
	}{
		{"running", "frankfurt", "london/slim", nil, schemas.Gate{Name: "running", Result: schemas.Pass, Evidence: "has an endpoint"}},
		{"without endpoint", "frankfurt", "tokyo/single", nil, schemas.Gate{Name: "running", Result: schemas.Fail, Evidence: "not running: no endpoint"}},
		{"healthy", "frankfurt", "london/slim", nil, schemas.Gate{Name: "healthy", Result: schemas.Pass, Evidence: "4 of 4 sighted vantages say up", Value: "4 vantages", Threshold: "3 vantages"}},
		{"down", "frankfurt", "london/slim", func(_ *schemas.Topology, _ *rank.Inputs, s *rank.State) {
			for i := range s.Verdicts {
				if s.Verdicts[i].Region == "london" && s.Verdicts[i].Vantage != "london" {
					s.Verdicts[i].Health = schemas.Down
				}
			}
		}, schemas.Gate{Name: "healthy", Result: schemas.Fail, Evidence: "1 of 4 sighted vantages say up", Value: "1 vantages", Threshold: "3 vantages"}},
		{"blind", "frankfurt", "london/slim", func(_ *schemas.Topology, _ *rank.Inputs, s *rank.State) { s.Presences = s.Presences[:2] },
			schemas.Gate{Name: "healthy", Result: schemas.Unknown, Evidence: "2 sighted vantages, 3 needed", Value: "2 vantages", Threshold: "3 vantages"}},
		{"fresh", "frankfurt", "london/slim", nil, schemas.Gate{Name: "fresh", Result: schemas.Pass, Evidence: "newest sample 1s old, at most 15s allowed", Value: "1 s", Threshold: "15 s", EvidenceAt: end.Add(-time.Second)}},
		{"stale", "frankfurt", "london/slim", cells(func(c *rank.Cell) { c.NewestMS -= 14_001 }),
			schemas.Gate{Name: "fresh", Result: schemas.Fail, Evidence: "newest sample 15s old, at most 15s allowed", Value: "15.001 s", Threshold: "15 s", EvidenceAt: end.Add(-15001 * time.Millisecond)}},
		{"never measured", "frankfurt", "london/single", nil, schemas.Gate{Name: "fresh", Result: schemas.Unknown, Evidence: "no sample in the last 2m0s"}},
		{"enough samples", "frankfurt", "london/slim", nil, schemas.Gate{Name: "samples", Result: schemas.Pass, Evidence: "480 samples from 4 vantages, 20 needed", Value: "480 samples", Threshold: "20 samples"}},
		{"fewer than asked for", "frankfurt", "london/slim", func(w *schemas.Topology, _ *rank.Inputs, _ *rank.State) { w.Apps[0].Gates.MinSamples = 481 },
			schemas.Gate{Name: "samples", Result: schemas.Fail, Evidence: "480 samples from 4 vantages, 481 needed", Value: "480 samples", Threshold: "481 samples"}},
		{"fewer than the quantile needs", "frankfurt", "london/slim", func(w *schemas.Topology, _ *rank.Inputs, _ *rank.State) { w.Apps[0].Objective.Quantile = 0.99 },
			schemas.Gate{Name: "samples", Result: schemas.Fail, Evidence: "480 samples from 4 vantages, not 500 in every cell", Value: "120 samples per cell", Threshold: "500 samples per cell"}},
		{"far", "frankfurt", "london/slim", nil, schemas.Gate{Name: "distance", Result: schemas.Pass, Evidence: "638 km from frankfurt, at least 300 needed", Value: "637.9 km", Threshold: "300 km"}},
		{"near", "frankfurt", "london/slim", func(w *schemas.Topology, _ *rank.Inputs, _ *rank.State) { w.Apps[0].Gates.MinDistanceKM = 700 },
			schemas.Gate{Name: "distance", Result: schemas.Fail, Evidence: "638 km from frankfurt, at least 700 needed", Value: "637.9 km", Threshold: "700 km"}},
		{"itself", "london", "london/slim", nil, schemas.Gate{Name: "distance", Result: schemas.Pass, Evidence: "is the active region"}},
		{"close", "frankfurt", "london/slim", nil, schemas.Gate{Name: "rtt", Result: schemas.Pass, Evidence: "median 14.9 ms by icmp from frankfurt, at most 150ms allowed", Value: "14.862 ms", Threshold: "150 ms", EvidenceAt: end.Add(-time.Second)}},
		{"slow", "frankfurt", "tokyo/slim", nil, schemas.Gate{Name: "rtt", Result: schemas.Fail, Evidence: "median 227.7 ms by icmp from frankfurt, at most 150ms allowed", Value: "227.716 ms", Threshold: "150 ms", EvidenceAt: end.Add(-time.Second)}},
		{"by tcp", "frankfurt", "london/slim", cells(func(c *rank.Cell) {
			if c.Kind == "icmp" {
				c.Kind = "tcp"
			}
		}), schemas.Gate{Name: "rtt", Result: schemas.Pass, Evidence: "median 14.9 ms by tcp from frankfurt, at most 150ms allowed", Value: "14.862 ms", Threshold: "150 ms", EvidenceAt: end.Add(-time.Second)}},
		{"lost", "frankfurt", "london/slim", cells(func(c *rank.Cell) {
			if c.Kind == "icmp" {
				c.Blocks = []rank.Histogram{{Failures: 7, First: 450, Counts: []uint64{5}}}
			}
		}), schemas.Gate{Name: "rtt", Result: schemas.Fail, Evidence: "7 of 12 round trips by icmp from frankfurt failed", Value: "lost", Threshold: "150 ms", EvidenceAt: end.Add(-time.Second)}},
		{"lost, however much is allowed", "frankfurt", "london/slim", func(w *schemas.Topology, in *rank.Inputs, _ *rank.State) {
			w.Apps[0].Gates.MaxRTT = schemas.Duration(time.Second) // more than the time-out
			for i, c := range in.Cells {
				if c.Kind == "icmp" {
					in.Cells[i].Blocks = []rank.Histogram{{Failures: 7}}
				}
			}
		}, schemas.Gate{Name: "rtt", Result: schemas.Fail, Evidence: "7 of 7 round trips by icmp from frankfurt failed", Value: "lost", Threshold: "1000 ms", EvidenceAt: end.Add(-time.Second)}},
		{"not pinged", "tokyo", "london/slim", nil, schemas.Gate{Name: "rtt", Result: schemas.Unknown, Evidence: "no round trip measured from tokyo"}},
		{"itself", "london", "london/slim", nil, schemas.Gate{Name: "rtt", Result: schemas.Pass, Evidence: "is the active region"}},
		{"allowed law", "frankfurt", "london/slim", nil, schemas.Gate{Name: "jurisdiction", Result: schemas.Pass, Evidence: "GB; allowed: DE, GB", Value: "GB", Threshold: "DE, GB"}},
		{"other law", "frankfurt", "tokyo/slim", nil, schemas.Gate{Name: "jurisdiction", Result: schemas.Fail, Evidence: "JP; allowed: DE, GB", Value: "JP", Threshold: "DE, GB"}},
		{"no law", "frankfurt", "tokyo/slim", func(w *schemas.Topology, _ *rank.Inputs, _ *rank.State) { w.Regions[2].Jurisdiction = "" },
			schemas.Gate{Name: "jurisdiction", Result: schemas.Unknown, Evidence: "the region's jurisdiction is not known"}},
		{"close behind", "frankfurt", "london/slim", follows(100 * time.Millisecond),
			schemas.Gate{Name: "replication", Result: schemas.Pass, Evidence: "0.10 s behind the last write the primary acknowledged, at most 2s allowed", Value: "0.1 s", Threshold: "2 s", EvidenceAt: end.Add(-time.Second)}},
		{"far behind", "frankfurt", "london/slim", follows(5 * time.Second),
			schemas.Gate{Name: "replication", Result: schemas.Fail, Evidence: "5.00 s behind the last write the primary acknowledged, at most 2s allowed", Value: "5 s", Threshold: "2 s", EvidenceAt: end.Add(-time.Second)}},
		{"held", "frankfurt", "london/slim", nil, schemas.Gate{Name: "image", Result: schemas.Pass, Evidence: "sha256:0123456789ab verified", Value: "verified", Threshold: "verified", EvidenceAt: end.Add(-time.Second)}},
		{"not replicated", "frankfurt", "london/slim", func(_ *schemas.Topology, _ *rank.Inputs, s *rank.State) { s.Images = nil },
			schemas.Gate{Name: "image", Result: schemas.Unknown, Evidence: "no image is known for the region"}},
		{"enough", "frankfurt", "london/slim", loaded(250), schemas.Gate{Name: "capacity", Result: schemas.Pass, Evidence: "300 requests/s declared, 300.0 needed: 250.0 measured × 1.2", Value: "300 requests/s", Threshold: "300 requests/s", EvidenceAt: end.Add(-time.Second)}},
		{"too little", "frankfurt", "london/slim", loaded(251), schemas.Gate{Name: "capacity", Result: schemas.Fail, Evidence: "300 requests/s declared, 301.2 needed: 251.0 measured × 1.2", Value: "300 requests/s", Threshold: "301.2 requests/s", EvidenceAt: end.Add(-time.Second)}},
		{"load not measured any more", "frankfurt", "london/slim", func(w *schemas.Topology, in *rank.Inputs, s *rank.State) {
			loaded(1)(w, in, s)
			s.Load.At = end.Add(-2 * time.Minute)
		}, schemas.Gate{Name: "capacity", Result: schemas.Unknown, Evidence: "the measured load expired 1m0s ago", EvidenceAt: end.Add(-2 * time.Minute)}},
		{"nothing ordered", "frankfurt", "london/slim", nil, schemas.Gate{Name: "allowed", Result: schemas.Pass, Evidence: "no override"}},
		{"excluded", "frankfurt", "london/slim", ordered(schemas.Exclude, "london", "disk trouble"),
			schemas.Gate{Name: "allowed", Result: schemas.Fail, Evidence: "excluded by anna until 2026-03-01 14:00:00 UTC: disk trouble", EvidenceAt: end.Add(-time.Minute)}},
		{"excluded until before", "frankfurt", "london/slim", func(w *schemas.Topology, in *rank.Inputs, s *rank.State) {
			ordered(schemas.Exclude, "london", "disk trouble")(w, in, s)
			s.Overrides[0].Until = end
		}, schemas.Gate{Name: "allowed", Result: schemas.Pass, Evidence: "no override"}},
		{"pinned", "frankfurt", "london/slim", ordered(schemas.Pin, "london", "canary"),
			schemas.Gate{Name: "allowed", Result: schemas.Pass, Evidence: "pinned by anna until 2026-03-01 14:00:00 UTC: canary", EvidenceAt: end.Add(-time.Minute)}},
		{"another pinned", "frankfurt", "london/slim", ordered(schemas.Pin, "frankfurt", "canary"),
			schemas.Gate{Name: "allowed", Result: schemas.Fail, Evidence: "frankfurt is pinned by anna until 2026-03-01 14:00:00 UTC: canary", EvidenceAt: end.Add(-time.Minute)}},
		{"holds", "frankfurt", "london/slim", own("candidate.samples >= 480 && region.jurisdiction != active.jurisdiction"),
			schemas.Gate{Name: "custom:own", Result: schemas.Pass, Evidence: `candidate.samples >= 480 && region.jurisdiction != active.jurisdiction holds: active.jurisdiction is "DE", candidate.samples is 480, region.jurisdiction is "GB"`, Value: `active.jurisdiction is "DE", candidate.samples is 480, region.jurisdiction is "GB"`, Threshold: "candidate.samples >= 480 && region.jurisdiction != active.jurisdiction"}},
		{"does not hold", "frankfurt", "london/slim", own("candidate.failures > 0"),
			schemas.Gate{Name: "custom:own", Result: schemas.Fail, Evidence: "candidate.failures > 0 does not hold: candidate.failures is 0; because", Value: "candidate.failures is 0", Threshold: "candidate.failures > 0"}},
		{"can not be decided", "frankfurt", "london/slim", own("region.labels['cloud'] == 'a'"),
			schemas.Gate{Name: "custom:own", Result: schemas.Unknown, Evidence: "region.labels['cloud'] == 'a' can not be decided: region.labels is {}: no such key: cloud"}},
		{"faster than light", "frankfurt", "london/slim", hurried,
			schemas.Gate{Name: "rtt", Result: schemas.Unknown, Evidence: "6.2 ms by icmp from frankfurt, at least 6.4 ms possible over 638 km"}},
		{"from where light is slower", "frankfurt", "london/slim", hurried,
			schemas.Gate{Name: "samples", Result: schemas.Pass, Evidence: "360 samples from 3 vantages, 20 needed, without frankfurt (6.2 ms by icmp from frankfurt, at least 6.4 ms possible over 638 km)", Value: "360 samples", Threshold: "20 samples"}},
	} {
		results[c.want.Name] = append(results[c.want.Name], c.want.Result)
		t.Run(c.want.Name+" "+c.what, func(t *testing.T) {
			world, in, state := good(t)
			if c.change != nil {
				c.change(&world, &in, &state)
			}
			got := find(t, compute(t, in, world, state), c.active, c.candidate)
			if g := gateOf(got, c.want.Name); c.want.EvidenceAt.IsZero() && c.want.Name == "healthy" {
				c.want.EvidenceAt = g.EvidenceAt // pkg/gate has its own table
			}
			if g := gateOf(got, c.want.Name); g != c.want {
				t.Errorf("got  %+v\nwant %+v", g, c.want)
			}
			if passes := c.want.Result == schemas.Pass; !passes && got.Eligible {
				t.Error("eligible though a gate does not pass")
			}
		})
	}
	for name, all := range results {
		if !slices.Contains(all, schemas.Pass) || !slices.ContainsFunc(all, func(r schemas.GateResult) bool { return r != schemas.Pass }) {
			t.Errorf("the table has %s only as %v, not with its opposite", name, all)
		}
	}
	if want := 12; len(results) != want {
		t.Errorf("the table has %d gates, want %d", len(results), want)
	}
}

// loaded gives london/slim the capacity of 300 requests per second, and the app a load and headroom.
func loaded(rps float64) func(*schemas.Topology, *rank.Inputs, *rank.State) {
	return func(w *schemas.Topology, _ *rank.Inputs, s *rank.State) {
		w.Apps[0].Gates.Headroom = 1.2
		for i := range w.Apps[0].Endpoints {
			w.Apps[0].Endpoints[i].Capacity = 300
		}
		s.Load = schemas.Load{App: "shop", RequestsPerSecond: rps, At: end.Add(-time.Second)}
	}
}

func ordered(kind, region, why string) func(*schemas.Topology, *rank.Inputs, *rank.State) {
	return func(_ *schemas.Topology, _ *rank.Inputs, s *rank.State) {
		s.Overrides = []schemas.Override{{App: "shop", Region: region, Kind: kind, Why: why, Who: "anna", At: end.Add(-time.Minute), Until: end.Add(2 * time.Hour)}}
	}
}

func own(expr string) func(*schemas.Topology, *rank.Inputs, *rank.State) {
	return func(w *schemas.Topology, _ *rank.Inputs, _ *rank.State) {
		w.Apps[0].Gates.Custom = []schemas.CustomGate{{Name: "own", Expr: expr, Why: "because"}}
	}
}

// hurried has a ping from frankfurt to london take less than light does.
func hurried(_ *schemas.Topology, in *rank.Inputs, _ *rank.State) {
	for i, c := range in.Cells {
		if c.Kind == "icmp" && c.Vantage == "frankfurt" && c.Region == "london" {
			in.Cells[i].Blocks = []rank.Histogram{{First: 403, Counts: []uint64{1, 0, 30}}}
		}
	}
}

// TestRoundTripIsRememberedWhenTheActiveRegionIsGone ranks on after the vantages of the active region stopped measuring: who must leave it must still be allowed to go.
func TestRoundTripIsRememberedWhenTheActiveRegionIsGone(t *testing.T) {
	world, in, state := good(t)
	before := compute(t, in, world, state)
	in.Cells = slices.DeleteFunc(in.Cells, func(c rank.Cell) bool { return c.Vantage == "frankfurt" })
	for _, c := range []struct {
		what   string
		change func(*schemas.Topology, *schemas.Ranking)
		want   schemas.GateResult
	}{
		{"measured before", func(*schemas.Topology, *schemas.Ranking) {}, schemas.Pass},
		{"never measured", func(_ *schemas.Topology, r *schemas.Ranking) { *r = schemas.Ranking{} }, schemas.Unknown},
		{"judged by another limit", func(w *schemas.Topology, _ *schemas.Ranking) {
			w.Apps[0].Gates.MaxRTT = schemas.Duration(10 * time.Millisecond)
		}, schemas.Unknown},
	} {
		t.Run(c.what, func(t *testing.T) {
			world, state, before := world, state, before
			world.Apps = slices.Clone(world.Apps)
			c.change(&world, &before)
			state.Previous = before
			got := find(t, compute(t, in, world, state), "frankfurt", "london/slim")
			if g := gateOf(got, "rtt"); g.Result != c.want || got.Eligible != (c.want == schemas.Pass) {
				t.Errorf("%+v, eligible %t; want %s", g, got.Eligible, c.want)
			}
		})
	}
	old := before
	for days := 0; days < 2; days++ {
		in.End = in.End.Add(20 * time.Hour)
		for i := range in.Cells {
			in.Cells[i].NewestMS = in.End.UnixMilli() - 1000
		}
		state.Previous = old
		old = compute(t, in, world, state)
	}
	if g := gateOf(find(t, old, "frankfurt", "london/slim"), "rtt"); g.Result != schemas.Unknown {
		t.Errorf("after 40 hours %+v, want unknown", g)
	}
}

func TestCandidateThatPassesEveryGateIsEligible(t *testing.T) {
	world, in, state := good(t)
	r := compute(t, in, world, state)
	got := find(t, r, "frankfurt", "london/slim")
	if !got.Eligible {
		t.Errorf("not eligible: %+v", got.Gates)
	}
	var names []string
	for _, g := range got.Gates {
		names = append(names, g.Name)
	}
	if want := []string{"running", "healthy", "fresh", "samples", "distance", "rtt", "jurisdiction", "image", "allowed"}; !slices.Equal(names, want) {
		t.Errorf("gates %v, want %v", names, want)
	}
	for _, o := range r.Orders {
		last := o.Candidates[len(o.Candidates)-1]
		if last.Candidate != candidate("tokyo/single") || last.Running || last.Eligible {
			t.Errorf("active %s: the candidate without an endpoint is %+v", o.Active, last)
		}
	}
	if got, want := rank.Eligible(r.Orders[0].Candidates), []schemas.Candidate{candidate("frankfurt/slim"), candidate("london/slim")}; !slices.Equal(got, want) {
		t.Errorf("eligible %v, want %v", got, want)
	}
}

func TestGatesWithoutASettingAreLeftOut(t *testing.T) {
	world, in, state := good(t)
	world.Apps[0].Gates = schemas.Gates{}
	got := find(t, compute(t, in, world, state), "frankfurt", "tokyo/slim")
	if len(got.Gates) != 4 || !got.Eligible {
		t.Errorf("got %+v, want running, healthy, image and allowed only", got.Gates)
	}
}
