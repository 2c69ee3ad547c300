package simulate_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
	"github.com/leeward-failover/leeward/services/ranker/internal/simulate"
)

// halved is the world in which samples count half after a time.
func halved(w simulate.World, halfLife time.Duration) simulate.World {
	w.Topology.Apps = slices.Clone(w.Topology.Apps)
	w.Topology.Apps[0].Objective.HalfLife = schemas.Duration(halfLife)
	return w
}

// stationary is a world without any change.
func stationary(w simulate.World) simulate.World {
	w.Regimes = slices.Clone(w.Regimes[len(w.Regimes)-1:])
	w.Regimes[0].From = 0
	return w
}

func TestIntervalsHoldTheTruthWithAHalfLife(t *testing.T) {
	from, to := 0.91, 0.98
	if *more >= 10 {
		from, to = 0.93, 0.97
	}
	for _, half := range []time.Duration{5 * time.Minute, 150 * time.Second} {
		held, all := 0, 0
		for seed := range uint64(60 * *more) {
			random := rand.New(rand.NewPCG(seed, 77))
			w := halved(stationary(simulate.Fabricate(matrix(t), random)), half)
			h, n := coverage(t, w, random)
			held, all = held+h, all+n
		}
		share := float64(held) / float64(all)
		t.Logf("half-life %s: %d of %d intervals of 95 %%", half, held, all)
		if share < from || share > to {
			t.Errorf("half-life %s: %g of the intervals hold the truth, want %g to %g", half, share, from, to)
		}
	}
}

// coverage is how many intervals of a world's first window hold the truth.
func coverage(t *testing.T, w simulate.World, random *rand.Rand) (held, all int) {
	t.Helper()
	app := w.Topology.Apps[0]
	s := simulate.NewStream(w, random)
	s.Advance(app.Objective.Window.D())
	in, err := s.Inputs()
	if err != nil {
		t.Fatal(err)
	}
	estimates, err := rank.Estimates(in, app, w.Topology)
	if err != nil {
		t.Fatal(err)
	}
	truth := w.Truth(app.Objective.Window.D())
	for _, e := range estimates {
		i := slices.IndexFunc(app.Endpoints, func(p schemas.Endpoint) bool { return p.Candidate() == e.Candidate })
		if low, high := e.Interval(0.95); low <= truth[i] && truth[i] <= high {
			held++
		}
	}
	return held, len(estimates)
}

func TestShiftIsFoundSoonerWithAHalfLife(t *testing.T) {
	found := func(half time.Duration) (sum time.Duration) {
		for seed := range uint64(4 * *more) {
			w := halved(simulate.Pair(world(5, 0.5, simulate.Shock{Vantage: 0.02}, calm)), half)
			took, found, err := simulate.Shift(t.Context(), w, rand.New(rand.NewPCG(seed, 2)))
			if err != nil || !found {
				t.Errorf("seed %d, half-life %s: found %v, %v", seed, half, found, err)
			}
			sum += took
		}
		return sum / time.Duration(4**more)
	}
	all, half := found(0), found(150*time.Second)
	t.Logf("found after %s on average, with a half-life after %s", all, half)
	if half >= all { // a choice that got slower by so much is left at once, with or without
		t.Errorf("found after %s with a half-life, %s without: not sooner", half, all)
	}
}

func TestEqualRegionsKeepTheirOrderWithAHalfLife(t *testing.T) {
	day := 24 * time.Hour
	if racing { // nothing in it races
		day /= 4
	}
	for seed := range uint64(*more) {
		w := halved(simulate.Pair(world(3, 0.95, minute, calm)), 150*time.Second)
		n, err := simulate.Changes(t.Context(), w, rand.New(rand.NewPCG(seed, 1)), day)
		if err != nil || n != 0 {
			t.Errorf("seed %d: the published choice changed %d times, %v", seed, n, err)
		}
	}
}
