package rank_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// benchmarked is good, with a limit of two seconds and benchmarks of every image: 1 s to pull, 0.5 s to unpack, and then 0.1 s and 0.3 s to the first healthy answer.
func benchmarked(t *testing.T) (schemas.Topology, rank.Inputs, rank.State) {
	world, in, state := good(t)
	world.Apps[0].Gates.MaxRTO = schemas.Duration(2 * time.Second)
	for _, i := range state.Images {
		state.Benchmarks = append(state.Benchmarks, rank.NewBenchmark(schemas.BenchmarkState{
			App: i.App, Variant: i.Variant, Region: i.Region, Digest: i.Digest, At: end.Add(-time.Hour),
			Cold: []schemas.BenchmarkRun{{PullUS: 1_000_000, UnpackUS: 500_000, StartUS: 100_000, HealthyUS: 300_000}},
			Warm: []schemas.BenchmarkRun{{PullUS: 1_000, StartUS: 90_000, HealthyUS: 310_000}},
		}))
	}
	return world, in, state
}

func TestACandidateServesAtOnceOrAfterItsImagesBenchmarks(t *testing.T) {
	type change func(*schemas.Topology, *rank.State)
	silent := func(_ *schemas.Topology, s *rank.State) {
		for i := range s.Verdicts {
			s.Verdicts[i].Variants = nil
		}
	}
	each := func(edit func(*rank.Benchmark)) change {
		return func(w *schemas.Topology, s *rank.State) {
			silent(w, s)
			for i := range s.Benchmarks {
				edit(&s.Benchmarks[i])
			}
		}
	}
	const unknown = -1
	for _, c := range []struct {
		what, candidate string
		change          change
		ms              float64
		gate            schemas.GateResult
		how             string
	}{
		{"it answers", "london/slim", nil, 0, schemas.Pass, "serves at once, at most 2s allowed"},
		{"no endpoint", "tokyo/single", nil, 1900, schemas.Pass, "not running; from nothing to the first healthy answer: 1.90 s, median of 1 run on the builder's machine, at most 2s allowed"},
		{"no endpoint, too slow", "tokyo/single", func(w *schemas.Topology, _ *rank.State) {
			w.Apps[0].Gates.MaxRTO = schemas.Duration(1800 * time.Millisecond)
		}, 1900, schemas.Fail, "at most 1.8s allowed"},
		{"an endpoint that does not answer", "london/slim", silent, 400, schemas.Pass, "does not answer; from the start"},
		{"the region is down", "london/slim", func(_ *schemas.Topology, s *rank.State) {
			for i := range s.Verdicts {
				s.Verdicts[i].Health = schemas.Down
			}
		}, 400, schemas.Pass, "does not answer"},
		{"benchmarks of another image", "london/slim", each(func(b *rank.Benchmark) { b.Digest = "sha256:" + strings.Repeat("f", 64) }), unknown, schemas.Unknown, "not benchmarked yet"},
		{"only failures", "london/slim", each(func(b *rank.Benchmark) { b.Warm = schemas.Measured{} }), unknown, schemas.Unknown, "no benchmark of its image came to a healthy answer"},
		{"another app's", "london/slim", each(func(b *rank.Benchmark) { b.App = "other" }), unknown, schemas.Unknown, "not benchmarked yet"},
		{"the median of three", "tokyo/single", func(_ *schemas.Topology, s *rank.State) {
			one := schemas.BenchmarkRun{PullUS: 1_000_000, UnpackUS: 500_000, StartUS: 100_000, HealthyUS: 300_000}
			slow, lost := one, one
			slow.PullUS, lost.HealthyUS = 9_000_000, 0
			for i, b := range s.Benchmarks {
				s.Benchmarks[i] = rank.NewBenchmark(schemas.BenchmarkState{App: b.App, Region: b.Region, Variant: b.Variant, Digest: b.Digest, Cold: []schemas.BenchmarkRun{slow, lost, one, one}})
			}
		}, 1900, schemas.Pass, "median of 3 runs"},
		{"the image is not there", "london/slim", func(w *schemas.Topology, s *rank.State) {
			silent(w, s)
			s.Images = nil
		}, unknown, schemas.Unknown, "not known to hold its image"},
		{"an app that Leeward does not build", "london/slim", func(w *schemas.Topology, s *rank.State) {
			silent(w, s)
			w.Apps[0].Source = schemas.Source{}
		}, unknown, schemas.Unknown, "Leeward does not build it"},
	} {
		t.Run(c.what, func(t *testing.T) {
			world, in, state := benchmarked(t)
			if c.change != nil {
				c.change(&world, &state)
			}
			got := find(t, compute(t, in, world, state), "frankfurt", c.candidate)
			if (got.ServeMS == nil) != (c.ms == unknown) || got.ServeMS != nil && *got.ServeMS != c.ms {
				t.Errorf("got %v ms, want %v", got.ServeMS, c.ms)
			}
			if g := gateOf(got, "rto"); g.Result != c.gate || !strings.Contains(g.Evidence, c.how) {
				t.Errorf("got gate %s, %q, want %s, %q", g.Result, g.Evidence, c.gate, c.how)
			}
		})
	}
}

func TestWithoutALimitTheTimeToServeIsShownAndNoGate(t *testing.T) {
	world, in, state := benchmarked(t)
	world.Apps[0].Gates.MaxRTO = 0
	got := find(t, compute(t, in, world, state), "frankfurt", "tokyo/single")
	if got.ServeMS == nil || *got.ServeMS != 1900 || gateOf(got, "rto").Name != "" || got.Eligible || got.Running {
		t.Errorf("got %+v with gates %+v, want 1900 ms, no gate, and not eligible", got.Serve, got.Gates)
	}
}
