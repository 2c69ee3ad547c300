package rank_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// seen is a load with requests by region, counted some time before the rankings of these tests.
func seen(age time.Duration, requests ...schemas.RegionRequests) schemas.Load {
	return schemas.Load{App: "shop", RequestsPerSecond: 1, At: end.Add(-age), Regions: requests}
}

func from(region string, requests float64) schemas.RegionRequests {
	return schemas.RegionRequests{Region: region, Requests: requests}
}

// TestVantagesCountByWhereRequestsComeFrom has two vantages in london, one outside every region, and none in paris.
func TestVantagesCountByWhereRequestsComeFrom(t *testing.T) {
	const (
		unmeasured = "objective.weights: no requests have been counted by region: vantages count by equal weights"
		old        = "objective.weights: requests by region were last counted at 2026-03-01 10:59:59 UTC: vantages count by given weights"
		ahead      = "objective.weights: requests by region were last counted at 2026-03-01 13:00:01 UTC: vantages count by equal weights"
		nobody     = "objective.weights: no requests came of late from a region with a vantage that counts: vantages count by equal weights"
		paris      = "objective.weights: 5000 requests came from paris of late, where no vantage counts: they are left out"
		tokyo      = "objective.weights: 5000 requests came from tokyo of late, where no vantage counts: they are left out"
	)
	for _, c := range []struct {
		what, weights string
		given         [5]float64
		load          schemas.Load
		// silent is a vantage that measures nothing.
		silent string
		// want are the weights of bristol, frankfurt, london, madrid and tokyo.
		want     [5]float64
		warnings []string
	}{
		{"nothing is said, and none is given", "", [5]float64{}, schemas.Load{}, "", [5]float64{.2, .2, .2, .2, .2}, nil},
		{"nothing is said, and some are given", "", [5]float64{1, 2, 0, 1, 0}, schemas.Load{}, "", [5]float64{.25, .5, 0, .25, 0}, nil},
		{"given", "given", [5]float64{1, 2, 0, 1, 0}, seen(0, from("tokyo", 1e6)), "", [5]float64{.25, .5, 0, .25, 0}, nil},
		{"equal, whatever is given", "equal", [5]float64{1, 2, 0, 1, 0}, seen(0, from("tokyo", 1e6)), "", [5]float64{.2, .2, .2, .2, .2}, nil},
		{"observed", "observed", [5]float64{}, seen(0, from("london", 60_000), from("tokyo", 40_000)), "", [5]float64{.29, .02, .29, .02, .38}, nil},
		{"few requests move little", "observed", [5]float64{}, seen(0, from("tokyo", 250)), "", [5]float64{.16, .16, .16, .16, .36}, nil},
		{"beside what is given", "observed", [5]float64{1, 2, 3, 4, 0}, seen(0, from("london", 1000)), "", [5]float64{.3, .1, .4, .2, 0}, nil},
		{"no region has clients but one", "observed", [5]float64{}, seen(0, from("tokyo", 1e9), from("london", 0)), "", [5]float64{.02, .02, .02, .02, .92}, nil},
		{"a vantage is silent, and its twin stands for both", "observed", [5]float64{}, seen(0, from("london", 60_000), from("tokyo", 40_000)), "bristol", [5]float64{0, .025, .565, .025, .385}, nil},
		{"the only vantage of a region is silent", "observed", [5]float64{}, seen(0, from("london", 1000), from("tokyo", 5000)), "tokyo", [5]float64{.375, .125, .375, .125, 0}, []string{tokyo}},
		{"a region that is not known", "observed", [5]float64{}, seen(0, from("paris", 5000), from("london", 1000)), "", [5]float64{.35, .1, .35, .1, .1}, []string{paris}},
		{"no region that is known", "observed", [5]float64{}, seen(0, from("paris", 5000)), "", [5]float64{.2, .2, .2, .2, .2}, []string{nobody, paris}},
		{"nobody asks", "observed", [5]float64{}, seen(0, from("london", 0)), "", [5]float64{.2, .2, .2, .2, .2}, []string{nobody}},
		{"nothing was counted", "observed", [5]float64{}, schemas.Load{}, "", [5]float64{.2, .2, .2, .2, .2}, []string{unmeasured}},
		{"no region was counted", "observed", [5]float64{}, seen(0), "", [5]float64{.2, .2, .2, .2, .2}, []string{unmeasured}},
		{"an hour old", "observed", [5]float64{}, seen(time.Hour, from("tokyo", 1e9)), "", [5]float64{.02, .02, .02, .02, .92}, nil},
		{"too old", "observed", [5]float64{1, 1, 0, 0, 2}, seen(time.Hour+time.Second, from("london", 1e9)), "", [5]float64{.25, .25, 0, 0, .5}, []string{old}},
		{"of tomorrow", "observed", [5]float64{}, seen(-time.Hour-time.Second, from("tokyo", 1e9)), "", [5]float64{.2, .2, .2, .2, .2}, []string{ahead}},
	} {
		world, in, state := measured(t)
		for i := range world.Vantages {
			world.Vantages[i].Weight = c.given[i]
		}
		world.Apps[0].Objective.Weights, state.Load = c.weights, c.load
		in.Cells = slices.DeleteFunc(in.Cells, func(cell rank.Cell) bool { return cell.Vantage == c.silent })
		r := compute(t, in, world, state)
		weights, err := rank.Weights(r.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		got, cost := [5]float64{}, 0.0
		for i, w := range weights {
			got[i] = w.Weight
			cost += w.Weight * latency[i]
		}
		if d := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-9)); d != "" {
			t.Errorf("%s: %s%+v", c.what, d, weights)
		}
		if d := cmp.Diff(c.warnings, r.Warnings); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
		if k := find(t, r, "frankfurt", "london/slim"); math.Abs(k.CostMS-cost) > cost/40 {
			t.Errorf("%s: cost %.1f, want that of the weights, %.1f", c.what, k.CostMS, cost)
		}
		again, err := rank.Again(r.Inputs)
		if err != nil || !bytes.Equal(text(t, again), text(t, r)) {
			t.Errorf("%s: computed again it is another: %v", c.what, err)
		}
	}
}

// latency is what london costs from bristol, frankfurt, london, madrid and tokyo.
var latency = [5]float64{20, 60, 40, 80, 100}

func measured(t *testing.T) (schemas.Topology, rank.Inputs, rank.State) {
	world := topology()
	world.Vantages = slices.Insert(world.Vantages, 0, schemas.Vantage{Name: "bristol", Region: "london"})
	in := rank.NewInputs(world.Apps[0], world.Hash(), end)
	for i, v := range world.Vantages {
		in.Cells = append(in.Cells, cellOf(t, in, v.Name, "london/slim", "http", 10, always(latency[i])))
	}
	return world, in, healthy(world)
}

func text(t *testing.T, r schemas.Ranking) []byte {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWeightsSayWhereTheyComeFrom(t *testing.T) {
	world, in, state := measured(t)
	world.Apps[0].Objective.Weights = schemas.ObservedWeights
	state.Load = seen(0, from("london", 3000), from("tokyo", 1000))
	in.Cells = slices.DeleteFunc(in.Cells, func(cell rank.Cell) bool { return cell.Vantage == "bristol" })
	world.Vantages[4].Weight, world.Vantages[2].Weight, world.Vantages[0].Weight, world.Vantages[1].Weight = 1, 1, 1, 2
	got, err := rank.Weights(compute(t, in, world, state).Inputs)
	want := []rank.Weight{
		{Vantage: "bristol", Region: "london", From: "too few samples"},
		{Vantage: "frankfurt", Region: "frankfurt", Weight: .1, From: "observed: no requests; 20 % is given"},
		{Vantage: "london", Region: "london", Weight: .65, From: "observed: 75.0 % of 4000 requests came from london; 20 % is given"},
		{Vantage: "madrid", From: "no weight given"},
		{Vantage: "tokyo", Region: "tokyo", Weight: .25, From: "observed: 25.0 % of 4000 requests came from tokyo; 20 % is given"},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

// TestTrafficThatTurnsMovesTheChoiceOnlyByEvidence has all clients be near london, and then near frankfurt and tokyo, from where tokyo is a little faster.
func TestTrafficThatTurnsMovesTheChoiceOnlyByEvidence(t *testing.T) {
	world := topology()
	world.Apps[0].Objective.Weights, world.Apps[0].Gates = schemas.ObservedWeights, schemas.Gates{}
	state := healthy(world)
	rankAt := func(at time.Time, regions ...schemas.RegionRequests) schemas.Order {
		in := rank.NewInputs(world.Apps[0], world.Hash(), at)
		for _, v := range world.Vantages {
			london, tokyo := 30.0, 32.0
			if v.Region == "frankfurt" || v.Region == "tokyo" {
				london, tokyo = tokyo, london
			}
			in.Cells = append(in.Cells, cellOf(t, in, v.Name, "london/slim", "http", 10, always(london)), cellOf(t, in, v.Name, "tokyo/slim", "http", 10, always(tokyo)))
		}
		for i := range state.Verdicts {
			state.Verdicts[i].At = at
		}
		for i := range state.Presences {
			state.Presences[i].At = at
		}
		state.Load = schemas.Load{App: "shop", At: at, Regions: regions}
		state.Previous = compute(t, in, world, state)
		return state.Previous.Orders[0]
	}
	at := end
	for range 30 {
		at = at.Add(10 * time.Second)
		rankAt(at, from("london", 1e6))
	}
	held := 0
	for ; held < 100; held++ {
		at = at.Add(10 * time.Second)
		o := rankAt(at, from("frankfurt", 1e6), from("tokyo", 1e6))
		if o.Choice == candidate("tokyo/slim") {
			break
		}
		if o.Raw != candidate("tokyo/slim") || !strings.Contains(o.Reason, "tokyo/slim leads london/slim by ") {
			t.Errorf("ranking %d: choice %s, raw %s: %s", held, o.Choice, o.Raw, o.Reason)
		}
	}
	// A window is twelve rankings.
	if held < 12 || held > 24 {
		t.Errorf("the choice was held for %d rankings", held)
	}
}
