package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

func TestVariantsAreComparedRegionByRegion(t *testing.T) {
	s := bustest.Start(t)
	g := start(t, s, nil)
	if out, err := g.shows("variants", "cart"); err == nil || !strings.Contains(err.Error(), "no app named cart") {
		t.Errorf("an app there is not: %v %s", err, out)
	}
	g.apply(strings.Replace(topology("http://127.0.0.1:1"), "variants: [{name: slim}]", "variants: [{name: slim}, {name: single}]", 1))
	now := time.Now().UTC()
	digest := "sha256:" + strings.Repeat("1", 64)
	builder := s.Connect(schemas.Builder, "")
	for i, variant := range []string{"slim", "single"} {
		write(t, builder, schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: variant, Region: "r0", Digest: digest, Reference: "x", Parity: "verified", Since: now})
		b := schemas.BenchmarkState{App: "shop", Variant: variant, Region: "r0", Digest: digest, Machine: "builder-1", SizeBytes: 12_300_000, Layers: 7, WastedBytes: 1_500_000, At: now,
			Warm: []schemas.BenchmarkRun{{PullUS: 4000, StartUS: 80_000, Error: "the container ended\x1b[2J", At: now}}}
		for n := range uint64(6) {
			b.Cold = append(b.Cold, schemas.BenchmarkRun{PullUS: uint64(1+i)*1_000_000 + 1000*n, UnpackUS: 300_000, StartUS: 90_000, HealthyUS: 400_000, At: now})
		}
		write(t, builder, schemas.BenchmarkBucket, b)
	}
	c := schemas.Candidate{Region: "r0", Variant: "slim"}
	atOnce, later := 0.0, 1900.0
	write(t, s.Connect(schemas.Ranker, ""), schemas.RankingBucket, schemas.Ranking{App: "shop", At: now,
		Requests: []schemas.RequestLatency{{Candidate: c, Samples: 480, Failures: 3, Quantiles: []schemas.LatencyQuantile{
			{Quantile: 0.5, Enough: true, MS: 12.5, LowMS: 12, HighMS: 13}, {Quantile: 0.95, Enough: true, MS: 800, LowMS: 700, HighMS: 900, Censored: true}, {Quantile: 0.99}}}},
		Orders: []schemas.Order{{Active: "r0", Candidates: []schemas.RankedCandidate{
			{Candidate: c, Running: true, Enough: true, CostMS: 21.5, LowMS: 20.25, HighMS: 23, ServeMS: &atOnce, Serve: "serves at once"},
			{Candidate: schemas.Candidate{Region: "r1", Variant: "single"}, ServeMS: &later, Serve: "not running"}}}}})

	var out string
	g.await("the benchmarks and the ranking", func() bool {
		out, _ = g.shows("variants", "shop")
		return strings.Contains(out, "single") && strings.Contains(out, "21.5")
	})
	for _, want := range []string{"12.3", "1.5", "6 cold", "1 warm", "1 failed", "1.002 ", "1.000 – 1.005", "1.792 *", "2.792 ", "at once", "0.080", "12.5", "12.0 – 13.0", "≥ 800.0", "too few samples", "not benchmarked", "not running", "21.5",
		"3 failed", "benchmarked on builder-1", "slim in r0: the container ended"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Count(out, "*") != 1 {
		t.Errorf("a terminal's command got through, or more than one variant is the best:\n%q", out)
	}
	text, err := g.shows("variants", "shop", "-o", "json")
	var rows []struct {
		Region, Variant string
		ServeMS         *float64 `json:"serve_ms"`
		ByCold          string   `json:"by_cold"`
	}
	if err != nil || json.Unmarshal([]byte(text), &rows) != nil || len(rows) < 2 || rows[0].Region != "r0" {
		t.Fatalf("as JSON: %v: %s", err, text)
	}
	howTo, err := os.ReadFile("../../docs/how-to/variants.md")
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.Connect(schemas.Actuator, ""), schemas.RouteBucket, schemas.Route{App: "shop", Active: c, Epoch: schemas.Epoch{Term: 1, N: 1}, Since: now})
	g.await("the route", func() bool { return g.call(http.MethodGet, "/v1/apps/shop/route", nil, nil).status == http.StatusOK })
	commands := regexp.MustCompile(`(?m)^bin/leeward (.+)$`).FindAllSubmatch(howTo, -1)
	if len(commands) != 3 {
		t.Errorf("docs/how-to/variants.md has %d commands, want 3", len(commands))
	}
	for _, command := range commands {
		out, err := g.shows(strings.Fields(string(command[1]))...)
		if err != nil || !strings.Contains(out, "slim") {
			t.Errorf("%s: %v\n%s", command[0], err, out)
		}
	}
	out, err = g.shows("rank", "shop", "--active", "r0")
	if err != nil || !regexp.MustCompile(`slim .*at once`).MatchString(out) || !regexp.MustCompile(`single .*not running.*1\.90 s`).MatchString(out) {
		t.Errorf("the ranking: %v\n%s", err, out)
	}
}
