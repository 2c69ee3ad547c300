package scoreboard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/scoreboard"
)

var (
	digest = "sha256:" + strings.Repeat("a", 64)
	now    = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
)

// The world of these tests: two regions with three variants, of which static runs nowhere and rome has nothing.
func world() (schemas.Topology, scoreboard.Known) {
	app := schemas.App{Name: "shop", Variants: []schemas.Variant{{Name: "single"}, {Name: "slim"}, {Name: "static"}},
		Endpoints: []schemas.Endpoint{{Region: "london", Variant: "single"}, {Region: "london", Variant: "slim"}}}
	t := schemas.Topology{Regions: []schemas.Region{{Name: "london"}, {Name: "rome"}}, Apps: []schemas.App{app}}
	var k scoreboard.Known
	for i, v := range app.Variants {
		k.Images = append(k.Images, schemas.ImageState{App: "shop", Variant: v.Name, Region: "london", Digest: digest})
		b := schemas.BenchmarkState{App: "shop", Variant: v.Name, Region: "london", Digest: digest, SizeBytes: 100, Layers: 2, WastedBytes: 1, Machine: "m", At: now}
		for n := range uint64(6) {
			// single 3.00 to 3.05 s, slim 2, static 1
			b.Cold = append(b.Cold, schemas.BenchmarkRun{PullUS: uint64(3-i)*1_000_000 - 300_000 + n*10_000, UnpackUS: 100_000, StartUS: 100_000, HealthyUS: 100_000})
		}
		b.Warm = []schemas.BenchmarkRun{{PullUS: 1000, StartUS: 50_000, Error: "it ended\nwith much to say"}}
		k.Benchmarks = append(k.Benchmarks, b)
	}
	ms := 0.0
	k.Ranking = schemas.Ranking{
		Requests: []schemas.RequestLatency{{Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Samples: 7, Failures: 1, Quantiles: []schemas.LatencyQuantile{{Quantile: 0.5, MS: 12}}}},
		Orders: []schemas.Order{{Candidates: []schemas.RankedCandidate{
			{Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Running: true, Enough: true, CostMS: 20, LowMS: 18, HighMS: 22, ServeMS: &ms, Serve: "serves at once"},
			{Candidate: schemas.Candidate{Region: "london", Variant: "single"}, Running: true, Enough: true, CostMS: 24, LowMS: 23, HighMS: 25},
			{Candidate: schemas.Candidate{Region: "london", Variant: "static"}, CostMS: 1},
		}}},
	}
	return t, k
}

func TestScoreboardPutsWhatIsKnownOfEachVariantTogether(t *testing.T) {
	topology, known := world()
	rows := scoreboard.Of(topology.Apps[0], topology, known)
	if len(rows) != 3 {
		t.Fatalf("got %d rows, want the three variants of london: nothing is in rome", len(rows))
	}
	ms := 0.0
	want := scoreboard.Row{Region: "london", Variant: "slim", Running: true, Requests: known.Ranking.Requests[0].Quantiles, Samples: 7, Failures: 1,
		Cost: &scoreboard.Time{MS: 20, LowMS: 18, HighMS: 22, Sure: true}, ServeMS: &ms, Serve: "serves at once", ByCost: scoreboard.Best,
		Image: &scoreboard.Image{Digest: digest, Machine: "m", SizeBytes: 100, Layers: 2, WastedBytes: 1, At: now,
			Cold: scoreboard.Runs{Runs: 6, Pull: &scoreboard.Time{MS: 1725, LowMS: 1700, HighMS: 1750, Sure: true, Runs: 6},
				Unpack: &scoreboard.Time{MS: 100, LowMS: 100, HighMS: 100, Sure: true, Runs: 6}, Start: &scoreboard.Time{MS: 100, LowMS: 100, HighMS: 100, Sure: true, Runs: 6},
				Healthy: &scoreboard.Time{MS: 100, LowMS: 100, HighMS: 100, Sure: true, Runs: 6}, Serve: &scoreboard.Time{MS: 2025, LowMS: 2000, HighMS: 2050, Sure: true, Runs: 6}},
			Warm: scoreboard.Runs{Runs: 1, Failed: 1, Error: "it ended", Pull: &scoreboard.Time{MS: 1, Runs: 1}, Start: &scoreboard.Time{MS: 50, Runs: 1}}}}
	if diff := cmp.Diff(want, rows[1]); diff != "" {
		t.Error(diff)
	}
	if static := rows[2]; static.Running || static.Cost != nil || static.ByCold != scoreboard.Best || static.ByCost != "" {
		t.Errorf("got %+v, want a variant that does not run, has no cost, and serves soonest from nothing", static)
	}
}

func TestBestIsMarkedOnlyWhereIntervalsAreApart(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*scoreboard.Known)
		want string
	}{
		"apart":                     {nil, "single   | slim best  | static  best"},
		"costs overlap":             {func(k *scoreboard.Known) { k.Ranking.Orders[0].Candidates[1].LowMS = 21 }, "single tie  | slim tie  | static  best"},
		"benchmarks of two overlap": {func(k *scoreboard.Known) { k.Benchmarks[1].Cold[0].PullUS = 600_000 }, "single   | slim best tie | static  tie"},
		"too few runs":              {func(k *scoreboard.Known) { k.Benchmarks[2].Cold = k.Benchmarks[2].Cold[:5] }, "single   | slim best best | static  "},
		"of another image":          {func(k *scoreboard.Known) { k.Images[2].Digest = "other" }, "single   | slim best best | static  "},
		"one alone": {func(k *scoreboard.Known) {
			k.Benchmarks = k.Benchmarks[:1]
			k.Ranking.Orders[0].Candidates[0].Enough = false
		}, "single   | slim   | static  "},
	} {
		t.Run(name, func(t *testing.T) {
			topology, known := world()
			if c.edit != nil {
				c.edit(&known)
			}
			var got []string
			for _, r := range scoreboard.Of(topology.Apps[0], topology, known) {
				got = append(got, strings.Join([]string{r.Variant, string(r.ByCost), string(r.ByCold)}, " "))
			}
			if got := strings.Join(got, " | "); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
