package clickhouse_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// open gives a database on a real engine of the test's own.
func open(t *testing.T) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.Open(chembedtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *clickhouse.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := db.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func number(t *testing.T, db *clickhouse.DB, query string, args ...any) (n uint64) {
	t.Helper()
	if err := db.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// samples is a source table and a rollup behind it, both with a deduplication window.
func samples(t *testing.T, db *clickhouse.DB) {
	exec(t, db,
		`CREATE TABLE samples (ts DateTime64(3, 'UTC'), region LowCardinality(String), rtt_us UInt32)
			ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (region, ts)
			SETTINGS non_replicated_deduplication_window = 1000`,
		`CREATE TABLE rollup (region LowCardinality(String), n SimpleAggregateFunction(sum, UInt64),
			q AggregateFunction(quantilesDD(0.01, 0.5, 0.95), UInt32))
			ENGINE = AggregatingMergeTree ORDER BY region SETTINGS non_replicated_deduplication_window = 1000`,
		`CREATE MATERIALIZED VIEW rollup_mv TO rollup AS
			SELECT region, count() AS n, quantilesDDState(0.01, 0.5, 0.95)(rtt_us) AS q FROM samples GROUP BY region`)
}

func block(token string, rows int) clickhouse.Block {
	ts, region, rtt := make([]time.Time, rows), make([]string, rows), make([]uint32, rows)
	begin := time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC) // half of the rows fall on the next day
	for i := range rows {
		ts[i] = begin.Add(time.Duration(i) * 2 * time.Second / time.Duration(rows))
		region[i] = []string{"madrid", "tokyo", "dallas"}[i%3]
		rtt[i] = uint32(1000 + i)
	}
	return clickhouse.Block{Table: "samples", Token: token, Columns: []clickhouse.Column{
		{Name: "ts", Values: ts}, {Name: "region", Values: region}, {Name: "rtt_us", Values: rtt}}}
}

func TestSameTokenLandsOnceInTableAndView(t *testing.T) {
	db := open(t)
	samples(t, db)
	for _, token := range []string{"S:0:1-10", "S:0:1-10", "S:0:11-20", "S:0:1-10"} {
		if err := db.Insert(t.Context(), block(token, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	got := []uint64{number(t, db, "SELECT count() FROM samples"), number(t, db, "SELECT sum(n) FROM rollup")}
	if diff := cmp.Diff([]uint64{2000, 2000}, got); diff != "" {
		t.Errorf("rows in table and view, want - got +:\n%s", diff)
	}
}

func TestTokenDedupsEvenWhereTheSessionSaysOtherwise(t *testing.T) {
	engine := chembedtest.StartEngine(t)
	db, err := clickhouse.Open(engine.DSN() +
		"?insert_deduplicate=0&deduplicate_insert=disable&async_insert=1&deduplicate_blocks_in_dependent_materialized_views=0")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	samples(t, db)
	for range 2 {
		if err := db.Insert(t.Context(), block("S:0:1-10", 300)); err != nil {
			t.Fatal(err)
		}
	}
	got := []uint64{number(t, db, "SELECT count() FROM samples"), number(t, db, "SELECT sum(n) FROM rollup")}
	if diff := cmp.Diff([]uint64{300, 300}, got); diff != "" {
		t.Errorf("rows in table and view, want - got +:\n%s", diff)
	}
}
