package stats_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
	"github.com/leeward-failover/leeward/services/ranker/internal/stats"
)

// end is now: the table forgets what is older than two weeks.
var end = time.Now().UTC().Truncate(time.Millisecond)

// sample is a row of the table, at seconds before the end of the window.
type sample struct {
	vantage, region, variant, kind, outcome string
	before                                  float64
	us                                      uint32
	sequence                                uint64
}

func TestReadCountsByCellAndBlock(t *testing.T) {
	topology := schemas.Topology{
		Vantages: []schemas.Vantage{{Name: "madrid"}, {Name: "london", Region: "london"}},
		Apps: []schemas.App{{
			Name: "shop", Endpoints: []schemas.Endpoint{{Region: "tokyo", Variant: "slim", Database: "env:DB"}},
			Probe:     schemas.Probe{Timeout: schemas.Duration(800 * time.Millisecond)},
			Objective: schemas.Objective{Kind: "http", Quantile: 0.95, Window: schemas.Duration(2 * time.Minute), WritesPerRequest: 1},
			Gates:     schemas.Gates{MaxRTT: schemas.Duration(time.Second)},
		}},
	}
	db := chembedtest.Migrated(t, chembedtest.Start(t))
	insert(t, db, []sample{
		{"madrid", "tokyo", "slim", "http", "ok", 0.001, 1000, 41},
		{"madrid", "tokyo", "slim", "http", "ok", 9.5, 1000, 7},
		{"madrid", "tokyo", "slim", "http", "timeout", 10, 800_000, 7},
		{"madrid", "tokyo", "slim", "http", "ok", 10.001, 0, 7},
		{"madrid", "tokyo", "slim", "http", "ok", 120, math.MaxUint32, 7},
		{"madrid", "tokyo", "", "db_write", "ok", 5, 2000, 7},
		{"london", "tokyo", "slim", "icmp", "ok", 100, 500, 7},
		{"london", "tokyo", "slim", "icmp", "unreachable", 5, 20, 7},
		{"madrid", "tokyo", "slim", "icmp", "ok", 5, 500, 7},     // no region's vantage: no gate asks
		{"madrid", "tokyo", "", "db_read", "ok", 5, 500, 7},      // not part of the cost
		{"madrid", "paris", "", "db_write", "ok", 5, 2000, 7},    // no region of the app
		{"madrid", "tokyo", "slim", "http", "ok", 120.001, 9, 7}, // before the window
		{"madrid", "tokyo", "slim", "http", "ok", 0, 9, 99},      // after it
		{"berlin", "tokyo", "slim", "http", "ok", 5, 9, 7},       // no longer a vantage
		{"madrid", "tokyo", "fat", "http", "ok", 5, 9, 7},        // no longer an endpoint
	})
	got, err := stats.Read(t.Context(), db, topology.Apps[0], topology, end)
	if err != nil {
		t.Fatal(err)
	}
	slim := schemas.Candidate{Region: "tokyo", Variant: "slim"}
	blocks := func(set map[int]rank.Histogram) []rank.Histogram {
		all := make([]rank.Histogram, 12)
		for i, h := range set {
			all[i] = h
		}
		return all
	}
	one := func(bin int) rank.Histogram { return rank.Histogram{First: bin, Counts: []uint64{1}} }
	want := rank.NewInputs(topology.Apps[0], topology.Hash(), end)
	want.StreamSequence = 41
	want.Cells = []rank.Cell{
		{Vantage: "madrid", Candidate: schemas.Candidate{Region: "tokyo"}, Kind: "db_write", NewestMS: end.UnixMilli() - 5000, Blocks: blocks(map[int]rank.Histogram{11: one(350)})},
		{Vantage: "madrid", Candidate: slim, Kind: "http", NewestMS: end.UnixMilli() - 1, Blocks: blocks(map[int]rank.Histogram{
			11: {Failures: 1, First: 318, Counts: []uint64{2}}, 10: one(0), 0: one(1023)})},
		{Vantage: "london", Candidate: slim, Kind: "icmp", NewestMS: end.UnixMilli() - 5000, Blocks: []rank.Histogram{{Failures: 1, First: 286, Counts: []uint64{1}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func insert(t *testing.T, db *clickhouse.DB, samples []sample) {
	t.Helper()
	var due []time.Time
	var app, kind, vantage, region, variant, vantageRegion, outcome []string
	var latency []uint32
	var sequence []uint64
	for _, s := range samples {
		due = append(due, end.Add(-time.Duration(s.before*float64(time.Second))))
		app, kind, vantage, region = append(app, "shop"), append(kind, s.kind), append(vantage, s.vantage), append(region, s.region)
		variant, outcome = append(variant, s.variant), append(outcome, s.outcome)
		of := ""
		if s.vantage != "madrid" {
			of = s.vantage
		}
		vantageRegion = append(vantageRegion, of)
		latency, sequence = append(latency, s.us), append(sequence, s.sequence)
	}
	if err := db.Insert(t.Context(), clickhouse.Block{Table: "samples", Token: "one", Columns: []clickhouse.Column{
		{Name: "due", Values: due}, {Name: "app", Values: app}, {Name: "kind", Values: kind}, {Name: "vantage", Values: vantage}, {Name: "region", Values: region},
		{Name: "variant", Values: variant}, {Name: "vantage_region", Values: vantageRegion}, {Name: "outcome", Values: outcome},
		{Name: "latency_us", Values: latency}, {Name: "stream_sequence", Values: sequence},
	}}); err != nil {
		t.Fatal(err)
	}
}
