package benchmark_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

var (
	digest = "sha256:" + strings.Repeat("a", 64)
	other  = "sha256:" + strings.Repeat("b", 64)
	now    = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
)

func target(region, variant string) benchmark.Target {
	return benchmark.Target{App: "shop", Candidate: schemas.Candidate{Region: region, Variant: variant}, Digest: digest}
}

func TestNextTakesWhatWasNeverMeasuredThenWhatWasLongAgo(t *testing.T) {
	state := func(digest string, ago time.Duration, failed string) schemas.BenchmarkState {
		return schemas.BenchmarkState{Digest: digest, At: now.Add(-ago), Cold: []schemas.BenchmarkRun{{Error: failed}}}
	}
	slim, static := target("london", "slim"), target("london", "static")
	for name, c := range map[string]struct {
		slim, static schemas.BenchmarkState
		want         benchmark.Target
		in           time.Duration
	}{
		"the older":             {state(digest, 3*time.Hour, ""), state(digest, 2*time.Hour, ""), slim, 21 * time.Hour},
		"another image":         {state(digest, 30*time.Hour, ""), state(other, time.Minute, ""), static, -1},
		"failed, so soon again": {state(digest, 3*time.Hour, ""), state(digest, time.Minute, "no route"), static, 59 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			states := map[string]schemas.BenchmarkState{slim.Key(): c.slim, static.Key(): c.static}
			got, due, ok := benchmark.Next([]benchmark.Target{slim, static}, states, 24*time.Hour)
			if want := now.Add(c.in); !ok || got != c.want || c.in >= 0 && !due.Equal(want) || c.in < 0 && !due.IsZero() {
				t.Errorf("got %s at %s, want %s at %s", got.Candidate, due, c.want.Candidate, want)
			}
		})
	}
	if _, _, ok := benchmark.Next(nil, nil, time.Hour); ok {
		t.Error("without targets there is a next one")
	}
}

func TestVariantsTakeTurnsWithinARegion(t *testing.T) {
	states := map[string]schemas.BenchmarkState{}
	targets := []benchmark.Target{target("tokyo", "slim"), target("london", "static"), target("tokyo", "static"), target("london", "slim")}
	var order []string
	for i := range 2 * len(targets) {
		next, _, _ := benchmark.Next(targets, states, time.Hour)
		order = append(order, next.String())
		states[next.Key()] = schemas.BenchmarkState{Digest: digest, At: now.Add(time.Duration(i) * time.Minute)}
	}
	if got, want := strings.Join(order, " "), strings.TrimSpace(strings.Repeat("london/slim london/static tokyo/slim tokyo/static ", 2)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTargetsAreVerifiedImagesOfTheTopology(t *testing.T) {
	topology := schemas.Topology{Regions: []schemas.Region{{Name: "london", Registry: "http://london"}}, Apps: []schemas.App{{Name: "shop", Images: schemas.Images{Repository: "apps/shop"}}}}
	image := func(app, region, parity string) schemas.ImageState {
		return schemas.ImageState{App: app, Variant: "slim", Region: region, Digest: digest, Parity: parity}
	}
	got := benchmark.Targets(topology, []schemas.ImageState{image("shop", "london", "verified"), image("shop", "london", "pending"), image("shop", "rome", "verified"), image("gone", "london", "verified")})
	want := target("london", "slim")
	want.Registry, want.Repository = "http://london", "apps/shop"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
