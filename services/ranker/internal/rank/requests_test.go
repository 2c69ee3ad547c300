package rank_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

func requestOf(t *testing.T, r schemas.Ranking, name string) schemas.RequestLatency {
	t.Helper()
	for _, one := range r.Requests {
		if one.Candidate == candidate(name) {
			return one
		}
	}
	t.Fatalf("nothing of requests to %s", name)
	return schemas.RequestLatency{}
}

func TestRequestsAreToldByThreeQuantilesOfTheirVantages(t *testing.T) {
	world := topology()
	near := world.Vantages[0].Name
	random := rand.New(rand.NewPCG(1, 2))
	in := rank.NewInputs(world.Apps[0], world.Hash(), end)
	for _, v := range world.Vantages {
		ms := 40.0
		if v.Name == near {
			ms = 20
		}
		in.Cells = append(in.Cells, cellOf(t, in, v.Name, "london/slim", "http", 50, around(random, ms)), cellOf(t, in, v.Name, "london/single", "http", 10, mixed(30, 5)))
	}
	r := compute(t, in, world, healthy(world))
	if len(r.Requests) != 5 {
		t.Errorf("got requests to %d candidates, want the 5 that run", len(r.Requests))
	}
	slim := requestOf(t, r, "london/slim")
	if slim.Samples != 50*12*4 || slim.Failures != 0 {
		t.Errorf("got %d samples and %d failures, want 2400 and none", slim.Samples, slim.Failures)
	}
	// A quarter of the weight is near, and sigma 5 %: the median is 35/exp(0.05·1.6449), p95 35, p99 35·exp(0.05·(2.3263-1.6449)).
	for q, want := range map[float64]float64{0.5: 32.24, 0.95: 35, 0.99: 36.21} {
		got := slim.Quantile(q)
		if !got.Enough || math.Abs(got.MS-want) > 1 || got.LowMS > want || got.HighMS < want || got.HighMS-got.LowMS > 4 {
			t.Errorf("p%g: got %+v, want about %.2f ms in a narrow interval", 100*q, got, want)
		}
	}
	single := requestOf(t, r, "london/single")
	if got := single.Quantile(0.5); !got.Enough || got.Censored || math.Abs(got.MS-30) > 1 {
		t.Errorf("median of those of which a fifth fails: got %+v, want 30 ms", got)
	}
	if got := single.Quantile(0.95); !got.Enough || !got.Censored || got.MS < 800 {
		t.Errorf("p95 of those of which a fifth fails: got %+v, want the time-out", got)
	}
	if got := single.Quantile(0.99); got.Enough || got.MS != 0 {
		t.Errorf("p99 of 120 samples of each vantage: got %+v, want not enough", got)
	}
	if got := requestOf(t, r, "tokyo/slim").Quantile(0.5); got.Enough {
		t.Errorf("of a candidate that nobody measured: got %+v, want not enough", got)
	}
}

// TestRequestIntervalsHoldTheTruth plays worlds whose truth is known.
func TestRequestIntervalsHoldTheTruth(t *testing.T) {
	world := topology()
	const rounds = 200
	held := map[float64]int{}
	for seed := range rounds {
		random := rand.New(rand.NewPCG(uint64(seed), 7))
		in := inputs(t, world, map[string]func() float64{})
		for _, v := range world.Vantages {
			in.Cells = append(in.Cells, cellOf(t, in, v.Name, "london/slim", "http", 50, around(random, 35)))
		}
		slim := requestOf(t, compute(t, in, world, healthy(world)), "london/slim")
		for q, want := range map[float64]float64{0.5: 35 * math.Exp(-0.05*1.6449), 0.95: 35, 0.99: 35 * math.Exp(0.05*(2.3263-1.6449))} {
			if got := slim.Quantile(q); got.LowMS <= want && want <= got.HighMS {
				held[q]++
			}
		}
	}
	for q, n := range held {
		if n < rounds*90/100 {
			t.Errorf("p%g: the interval held the truth in %d of %d worlds, want about 95 %%", 100*q, n, rounds)
		}
	}
	t.Logf("held in %v of %d", held, rounds)
}
