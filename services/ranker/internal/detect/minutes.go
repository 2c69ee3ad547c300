package detect

import (
	"context"
	"fmt"
	"math"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

// The coarse first condition lets ClickHouse skip by the table's sort key. What load generators measured is of another time and load.
const query = `
SELECT app, region, variant, vantage, kind, toInt64(intDiv(toUnixTimestamp(minute), 60)) AS number, sum(m.samples) AS samples, sum(m.failures) AS failures,
	quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(m.latency) AS quantiles
FROM samples_1m AS m
WHERE toStartOfHour(minute) >= toStartOfHour(toDateTime({from:Int64} * 60, 'UTC'))
	AND minute >= toDateTime({from:Int64} * 60, 'UTC') AND minute <= toDateTime({to:Int64} * 60, 'UTC') AND kind != 'bench'
GROUP BY app, region, variant, vantage, kind, minute`

// read adds the minutes from one to another, both included, of all apps.
func read(ctx context.Context, db *clickhouse.DB, from, to int64, d *anomaly.Detector) error {
	rows, err := db.Query(ctx, query, clickhouse.Named("from", from), clickhouse.Named("to", to))
	if err != nil {
		return fmt.Errorf("minutes of samples: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c anomaly.Cell
		var m anomaly.Minute
		var number int64
		var quantiles []float64
		if err := rows.Scan(&c.App, &c.Region, &c.Variant, &c.Vantage, &c.Kind, &number, &m.Samples, &m.Failures, &quantiles); err != nil {
			return fmt.Errorf("minutes of samples: %w", err)
		}
		// A sketch of nothing has no quantiles.
		if len(quantiles) == 3 && !math.IsNaN(quantiles[0]) && m.Failures < m.Samples {
			m.P50MS, m.P95MS = quantiles[0]/1000, quantiles[1]/1000
		}
		d.Add(c, number, m)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("minutes of samples: %w", err)
	}
	return nil
}
