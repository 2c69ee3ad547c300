package analyst_test

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// benchmark is a row of the table image_benchmarks.
type benchmark struct {
	region, variant, digest     string
	cold                        bool
	pull, unpack, start, health uint64
	wasted                      uint64
	failed                      string
}

// TestVariantsLatencyComesWithTheBenchmarksOfItsNewestImage has an image that is no more, a run that failed, and a variant that was never benchmarked.
func TestVariantsLatencyComesWithTheBenchmarksOfItsNewestImage(t *testing.T) {
	db := migrated(t)
	start := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	var samples []sample
	for n := range 10 {
		for _, variant := range []string{"slim", "nginx"} {
			samples = append(samples, sample{due: start.Add(time.Duration(n) * time.Second), app: "shop", kind: "http", vantage: "madrid", region: "london", variant: variant, outcome: "ok", latency: 20_000, row: uint16(n)})
		}
	}
	insertSamples(t, db, samples)
	rows := []benchmark{
		{"london", "slim", "old", true, 9, 9, 9, 9, 9, ""},
		{"london", "slim", "new", true, 1_000_000, 300_000, 90_000, 400_000, 5, ""},
		{"london", "slim", "new", true, 3_000_000, 500_000, 110_000, 600_000, 5, ""},
		{"london", "slim", "new", true, 2_000_000, 400_000, 100_000, 500_000, 5, ""},
		{"london", "slim", "new", false, 4_000, 0, 80_000, 0, 5, "the container ended"},
		{"london", "slim", "new", true, 7_000_000, 0, 0, 0, 0, "no space left on device"},
		{"dallas", "nginx", "elsewhere", true, 1, 1, 1, 1, 1, ""},
	}
	at := 0
	insert(t, db, "image_benchmarks",
		column("at", rows, func(benchmark) time.Time { at++; return start.Add(time.Duration(at) * time.Minute) }),
		column("app", rows, func(benchmark) string { return "shop" }),
		column("variant", rows, func(b benchmark) string { return b.variant }),
		column("region", rows, func(b benchmark) string { return b.region }),
		column("digest", rows, func(b benchmark) string { return b.digest }),
		column("cold", rows, func(b benchmark) bool { return b.cold }),
		column("size_bytes", rows, func(benchmark) uint64 { return 52_200_000 }),
		column("layers", rows, func(benchmark) uint16 { return 7 }),
		column("wasted_bytes", rows, func(b benchmark) uint64 { return b.wasted }),
		column("pull_us", rows, func(b benchmark) uint64 { return b.pull }),
		column("unpack_us", rows, func(b benchmark) uint64 { return b.unpack }),
		column("start_us", rows, func(b benchmark) uint64 { return b.start }),
		column("healthy_us", rows, func(b benchmark) uint64 { return b.health }),
		column("error", rows, func(b benchmark) string { return b.failed }))
	page, err := os.ReadFile("../../docs/how-to/variants.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(queries) != 1 {
		t.Fatalf("docs/how-to/variants.md has %d queries, want 1", len(queries))
	}
	compare(t, ask(t, db, queries[0][1]), [][]any{
		{"nginx", "dallas", "elsewhere", start.Add(7 * time.Minute), 1, 0, 0.0, 0.0, 0.0, 0.0},
		{"slim", "london", "old", start.Add(1 * time.Minute), 1, 0, 0.0, 0.0, 0.0, 0.0},
		{"slim", "london", "new", start.Add(2 * time.Minute), 3, 1, 2.0, 0.4, 0.1, 0.5},
	})
	got := ask(t, db, `SELECT variant, toFloat64(round(p50_ms)), samples, digest, size_bytes, layers, wasted_bytes, cold_runs, failed_runs, pull_ms, unpack_ms, start_ms, healthy_ms
		FROM latency_by_variant WHERE app = 'shop' AND kind = 'http' AND region = 'london' AND hour = toStartOfHour(now() - INTERVAL 1 HOUR) ORDER BY variant`)
	compare(t, got, [][]any{
		{"nginx", 20.0, 10, "", 0, 0, 0, 0, 0, nil, nil, nil, nil},
		{"slim", 20.0, 10, "new", 52_200_000.0, 7, 5, 3, 2, 2000.0, 400.0, 100.0, 500.0},
	})
}
