package clickhouse_test

import (
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

var stressFor = flag.Duration("stress", 5*time.Second, "how long TestEightConnectionsUnderStress runs")

// Everything a connection can go through, at once: inserts into a table with a view, merges of sketches, errors, results
// that break off, clients that hang up. The engine must neither crash nor lose or double a row.
func TestEightConnectionsUnderStress(t *testing.T) {
	engine := chembedtest.StartEngine(t)
	db, err := clickhouse.Open(engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	samples(t, db)
	var inserted, selected, refused, cancelled atomic.Uint64
	end := time.Now().Add(*stressFor)
	var g errgroup.Group
	for worker := range 8 {
		g.Go(func() error {
			for n := 0; time.Now().Before(end); n++ {
				switch n % 5 {
				case 0, 1:
					const rows = 2000
					if err := db.Insert(t.Context(), block(fmt.Sprintf("%d-%d", worker, n), rows)); err != nil {
						return err
					}
					inserted.Add(rows)
				case 2:
					var quantiles []float32
					row := db.QueryRow(t.Context(), "SELECT quantilesDDMerge(0.01, 0.5, 0.95)(q) FROM rollup")
					if err := row.Scan(&quantiles); err != nil || len(quantiles) != 2 {
						return fmt.Errorf("merge sketches: %v, %w", quantiles, err)
					}
					selected.Add(1)
				case 3:
					for query, code := range map[string]int{"SELECT * FROM nope": 60,
						"SELECT number, throwIf(number = 200000) FROM numbers(400000)": 395} {
						if err := everyRow(t.Context(), db, query); clickhouse.Code(err) != code {
							return fmt.Errorf("%s: %w, want code %d", query, err, code)
						}
						refused.Add(1)
					}
				case 4:
					ctx, hangUp := context.WithTimeout(t.Context(), 20*time.Millisecond)
					err := everyRow(ctx, db, "SELECT sipHash64(number) AS h FROM numbers(100000000) ORDER BY h")
					hangUp()
					if err == nil {
						return fmt.Errorf("a sort of 100 million rows took less than 20 ms")
					}
					cancelled.Add(1)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("%v; engine: %s", err, engine.Stderr())
	}
	t.Logf("%d rows inserted, %d queries, %d refused, %d cancelled", inserted.Load(), selected.Load(), refused.Load(), cancelled.Load())
	got := []uint64{number(t, db, "SELECT count() FROM samples"), number(t, db, "SELECT sum(n) FROM rollup")}
	if diff := cmp.Diff([]uint64{inserted.Load(), inserted.Load()}, got); diff != "" {
		t.Errorf("rows in table and view, want - got +:\n%s", diff)
	}
}

func everyRow(ctx context.Context, db *clickhouse.DB, query string) error {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
