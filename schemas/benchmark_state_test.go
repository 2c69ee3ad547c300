package schemas_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

func TestMedianSaysHowSureItIs(t *testing.T) {
	pull := func(r schemas.BenchmarkRun) uint64 { return r.PullUS }
	runs := func(us ...uint64) []schemas.BenchmarkRun {
		var all []schemas.BenchmarkRun
		for _, v := range us {
			all = append(all, schemas.BenchmarkRun{PullUS: v})
		}
		return all
	}
	for name, c := range map[string]struct {
		runs []schemas.BenchmarkRun
		want schemas.Measured
	}{
		"nothing":                   {nil, schemas.Measured{}},
		"only failures":             {runs(0, 0), schemas.Measured{}},
		"five are too few":          {runs(5, 1, 4, 2, 3), schemas.Measured{Runs: 5, MedianUS: 3}},
		"six just do":               {runs(6, 1, 5, 2, 4, 3), schemas.Measured{Runs: 6, MedianUS: 3, LowUS: 1, HighUS: 6, Sure: true}},
		"a failure is not a run":    {runs(6, 1, 0, 5, 2, 4, 3), schemas.Measured{Runs: 6, MedianUS: 3, LowUS: 1, HighUS: 6, Sure: true}},
		"twenty, by the textbook's": {runs(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20), schemas.Measured{Runs: 20, MedianUS: 10, LowUS: 6, HighUS: 15, Sure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := schemas.Median(c.runs, pull); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestBenchmarksOfAnotherImageBeginAnew(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	var s schemas.BenchmarkState
	cold := schemas.ImageBenchmark{Candidate: schemas.Candidate{Region: "tokyo", Variant: "slim"}, Digest: digest, Cold: true, SizeBytes: 7, Layers: 2, WastedBytes: 1, PullUS: 1, UnpackUS: 2, StartUS: 3, HealthyUS: 4, At: now}
	for range schemas.BenchmarkRuns + 1 {
		s = s.Add("shop", cold)
	}
	away := cold
	away.SizeBytes, away.Layers, away.WastedBytes, away.PullUS, away.UnpackUS, away.StartUS, away.HealthyUS, away.Error = 0, 0, 0, 0, 0, 0, 0, "no route to host"
	s = s.Add("shop", away)
	if len(s.Cold) != schemas.BenchmarkRuns || s.Cold[schemas.BenchmarkRuns-1].Error == "" || s.SizeBytes != 7 || s.WastedBytes != 1 {
		t.Errorf("got %d runs, the last %+v, and size %d: want the %d newest, and the size that is known", len(s.Cold), s.Cold[len(s.Cold)-1], s.SizeBytes, schemas.BenchmarkRuns)
	}
	if got := schemas.Median(s.Cold, schemas.BenchmarkRun.Serve); got.Runs != schemas.BenchmarkRuns-1 || got.MedianUS != 10 {
		t.Errorf("time to serve: got %+v, want 10 µs", got)
	}
	warm := cold
	warm.Cold, warm.Digest, warm.UnpackUS = false, otherDigest, 0
	if s = s.Add("shop", warm); len(s.Cold) != 0 || len(s.Warm) != 1 || s.Warm[0].Restart() != 7 {
		t.Errorf("after another image: got %+v, want its one warm run", s)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}
