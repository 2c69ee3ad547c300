package clickhouse_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-retry"
	"golang.org/x/sync/errgroup"

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

func exec(tb testing.TB, db *clickhouse.DB, statements ...string) {
	tb.Helper()
	for _, s := range statements {
		if err := db.Exec(tb.Context(), s); err != nil {
			tb.Fatalf("%s: %v", s, err)
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
func samples(tb testing.TB, db *clickhouse.DB) {
	tb.Helper()
	exec(tb, db,
		`CREATE TABLE samples (ts DateTime64(3, 'UTC'), region LowCardinality(String), rtt_us UInt32)
			ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (region, ts)
			SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1`,
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

// A kill may land between the table and the view behind it. Sending the block again with its token mends that.
func TestKilledEngineLosesAndDoublesNothingWhenTokensAreSentAgain(t *testing.T) {
	engine := chembedtest.StartEngine(t)
	db, err := clickhouse.Open(engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	samples(t, db)
	const writers, blocks, rows, kills = 4, 40, 500, 3
	var landed atomic.Int64
	turn := make(chan struct{}, kills)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for n := range blocks {
				b := block(fmt.Sprintf("S:%d:%d-%d", w, n, n), rows)
				err := retry.Do(ctx, retry.NewConstant(10*time.Millisecond), func(ctx context.Context) error { return db.Insert(ctx, b) })
				if err != nil {
					return err
				}
				if landed.Add(1)%(writers*blocks/(kills+1)) == 0 {
					select {
					case turn <- struct{}{}:
					default:
					}
				}
			}
			return nil
		})
	}
	for range kills {
		<-turn
		engine.Kill()
		engine.Restart()
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	const want = writers * blocks * rows
	got := []uint64{number(t, db, "SELECT count() FROM samples"), number(t, db, "SELECT sum(n) FROM rollup")}
	if diff := cmp.Diff([]uint64{want, want}, got); diff != "" {
		t.Errorf("rows in table and view, want - got +:\n%s", diff)
	}
}

func TestInsertRefusesWhatIsNoBlock(t *testing.T) {
	db, err := clickhouse.Open("http://127.0.0.1:1") // nothing of this reaches a server
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	one := clickhouse.Column{Name: "a", Values: []uint8{1}}
	for name, b := range map[string]clickhouse.Block{
		"no token":        {Table: "t", Columns: []clickhouse.Column{one}},
		"no columns":      {Table: "t", Token: "x"},
		"not a slice":     {Table: "t", Token: "x", Columns: []clickhouse.Column{{Name: "a", Values: 1}}},
		"unequal columns": {Table: "t", Token: "x", Columns: []clickhouse.Column{one, {Name: "b", Values: []uint8{1, 2}}}},
		"too many rows":   {Table: "t", Token: "x", Columns: []clickhouse.Column{{Name: "a", Values: make([]uint8, 1_000_001)}}},
	} {
		if err := db.Insert(t.Context(), b); err == nil || clickhouse.Retryable(err) {
			t.Errorf("%s: %v, want an error that no retry mends", name, err)
		}
	}
	if err := db.Insert(t.Context(), clickhouse.Block{Table: "t", Token: "x", Columns: []clickhouse.Column{one}}); !clickhouse.Retryable(err) {
		t.Errorf("no server: %v, want a retryable error", err)
	}
}

func BenchmarkInsert(b *testing.B) {
	dsn := chembedtest.Start(b)
	db, err := clickhouse.Open(dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	samples(b, db)
	const rows = 10_000
	n := 0
	for b.Loop() {
		n++
		if err := db.Insert(b.Context(), block(fmt.Sprint(n), rows)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*rows)/b.Elapsed().Seconds(), "rows/s")
}
