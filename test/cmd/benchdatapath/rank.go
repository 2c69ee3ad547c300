package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// cells is how many cells the load has.
const cells = 6400

// rankings measures what a ranking of all cells costs the engine, over an hour of minutes and over a day of hours.
func (b *bench) rankings(ctx context.Context) error {
	if b.samples == 0 {
		return nil
	}
	begin := time.Now()
	first, end, err := b.multiplyMinutes(ctx)
	if err != nil {
		return err
	}
	day, err := b.multiplyHours(ctx, first, end)
	if err != nil {
		return err
	}
	r := b.report
	if r.Represented, err = b.number(ctx, "SELECT toUInt64(sum(samples)) FROM samples_1m"); err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	say("minutes  of %d samples made in %.0f s", r.Represented, time.Since(begin).Seconds())
	if r.Ranking1h, r.RowsRanked, err = b.rank(ctx, "samples_1m", "minute", end.Add(-time.Hour), end); err != nil {
		return err
	}
	var rows uint64
	if r.Ranking24h, rows, err = b.rank(ctx, "samples_1h", "hour", day.Add(-24*time.Hour), day); err != nil {
		return err
	}
	if r.RowsRanked != cells || rows != cells {
		return fmt.Errorf("%d and %d rows were ranked, not %d", r.RowsRanked, rows, cells)
	}
	return nil
}

// multiplyMinutes copies the minutes that were recorded back in time until they stand for enough samples. It returns where they begin and end.
func (b *bench) multiplyMinutes(ctx context.Context) (first, last time.Time, err error) {
	// Hours are made of the minutes below, in one go instead of insert by insert.
	if err := b.db.Exec(ctx, "DROP VIEW samples_1h_from_samples_1m"); err != nil {
		return first, last, err
	}
	// The first and the last minute may be only part of one.
	if err := b.db.QueryRow(ctx, fmt.Sprintf("SELECT min(minute) + INTERVAL 1 MINUTE, max(minute) FROM (SELECT minute FROM samples_1m GROUP BY minute HAVING uniqExact(kind, vantage, region, variant) = %d AND sum(samples) >= 600000)", cells)).Scan(&first, &last); err != nil {
		return first, last, err
	}
	minutes := int(last.Sub(first).Minutes())
	if minutes < 1 {
		return first, last, fmt.Errorf("no whole minute was recorded between %s and %s", first, last)
	}
	recorded := fmt.Sprintf("samples_1m FINAL WHERE minute >= toDateTime(%d) AND minute < toDateTime(%d)", first.Unix(), last.Unix())
	each, err := b.number(ctx, "SELECT toUInt64(sum(samples)) FROM "+recorded)
	if err != nil {
		return first, last, err
	}
	copies := int(math.Ceil(float64(b.samples) / float64(each)))
	names, err := b.names(ctx, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'samples_1m' ORDER BY position")
	if err != nil {
		return first, last, err
	}
	columns := make([]string, len(names))
	for i, c := range names {
		columns[i] = c
		if c == "minute" || c == "last_due" {
			columns[i] = fmt.Sprintf("%s - toIntervalMinute(number * %d) AS %s", c, minutes, c)
		}
	}
	// About half a million states at a time.
	step := max(1, 500_000/(cells*minutes))
	for from := 1; from < copies; from += step {
		err := b.db.Exec(ctx, fmt.Sprintf("INSERT INTO samples_1m SELECT %s FROM (SELECT * FROM %s) AS m CROSS JOIN numbers(%d, %d) AS n", strings.Join(columns, ", "), recorded, from, min(step, copies-from)))
		if err != nil {
			return first, last, err
		}
	}
	return first.Add(-time.Duration((copies-1)*minutes) * time.Minute), last, nil
}

// multiplyHours makes the hours of the minutes, and copies them back in time until they are more than a day. It returns where they end.
func (b *bench) multiplyHours(ctx context.Context, first, last time.Time) (end time.Time, err error) {
	first, end = first.Add(time.Hour-1).Truncate(time.Hour), last.Truncate(time.Hour)
	hours := int(end.Sub(first).Hours())
	if hours < 1 {
		return end, fmt.Errorf("no whole hour between %s and %s", first, last)
	}
	if err := b.db.Exec(ctx, "TRUNCATE TABLE samples_1h"); err != nil {
		return end, err
	}
	return end, b.db.Exec(ctx, fmt.Sprintf(`INSERT INTO samples_1h (hour, app, kind, vantage, region, variant, samples, failures, last_due, latency)
		SELECT h.hour - toIntervalHour(n.number * %[1]d), app, kind, vantage, region, variant, samples, failures, last_due - toIntervalHour(n.number * %[1]d), latency FROM (
			SELECT toStartOfHour(minute) AS hour, app, kind, vantage, region, variant, sum(m.samples) AS samples, sum(m.failures) AS failures, max(m.last_due) AS last_due,
				quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)(m.latency) AS latency
			FROM samples_1m AS m WHERE minute >= toDateTime(%[2]d) AND minute < toDateTime(%[3]d) GROUP BY hour, app, kind, vantage, region, variant
		) AS h CROSS JOIN numbers(0, %[4]d) AS n`, hours, first.Unix(), end.Unix(), (24+hours-1)/hours))
}

// rank measures the processor time of the engine for a ranking of all cells, the mean of several, and counts the rows.
func (b *bench) rank(ctx context.Context, table, column string, from, to time.Time) (milliseconds float64, rows uint64, err error) {
	query := fmt.Sprintf(`SELECT app, kind, vantage, region, variant, sum(samples) AS n, sum(failures) AS failed, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(latency) AS latency
		FROM %s WHERE %s >= toDateTime(%d) AND %s < toDateTime(%d) GROUP BY app, kind, vantage, region, variant ORDER BY app, kind, latency[2]`, table, column, from.Unix(), column, to.Unix())
	var states, samples uint64
	if err := b.db.QueryRow(ctx, fmt.Sprintf("SELECT count(), toUInt64(sum(samples)) FROM %s WHERE %s >= toDateTime(%d) AND %s < toDateTime(%d)", table, column, from.Unix(), column, to.Unix())).Scan(&states, &samples); err != nil {
		return 0, 0, err
	}
	const times = 8
	var total time.Duration
	for i := range times + 1 {
		before, err := b.engine.CPU()
		if err != nil {
			return 0, 0, err
		}
		var lines counter
		if err := b.db.QueryFormat(ctx, &lines, "TabSeparated", query); err != nil {
			return 0, 0, err
		}
		after, err := b.engine.CPU()
		if err != nil {
			return 0, 0, err
		}
		if rows = uint64(lines); i > 0 { // the first one finds the caches empty
			total += after - before
		}
	}
	milliseconds = round3(float64(total.Milliseconds()) / times)
	say("ranking  %s: %d states of %d samples, %.0f ms", table, states, samples, milliseconds)
	return milliseconds, rows, nil
}

// counter counts lines.
type counter uint64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(strings.Count(string(p), "\n"))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)
