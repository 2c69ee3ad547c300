package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// rankings measures what a ranking of all cells costs the engine, over an hour of minutes and over a day of hours.
func (b *bench) rankings(ctx context.Context) error {
	if b.samples == 0 {
		return nil
	}
	end, err := b.multiply(ctx)
	if err != nil {
		return err
	}
	hours, err := b.number(ctx, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'samples_1h'")
	if err != nil {
		return err
	}
	r := b.report
	if r.Ranking1h, r.RowsRanked, err = b.rank(ctx, "samples_1m", "minute", end.Add(-time.Hour), end); err != nil {
		return err
	}
	r.Ranking24hOf = "samples_1m"
	column := "minute"
	if hours > 0 {
		r.Ranking24hOf, column = "samples_1h", "hour"
	}
	end = end.Truncate(time.Hour)
	rows := uint64(0)
	if r.Ranking24h, rows, err = b.rank(ctx, r.Ranking24hOf, column, end.Add(-24*time.Hour), end); err != nil {
		return err
	}
	say("ranking  1 h %.0f ms, 24 h %.0f ms of processor time, %d and %d rows of %d samples; load %.2f", r.Ranking1h, r.Ranking24h, r.RowsRanked, rows, r.Represented, loadAverage())
	return nil
}

// multiply copies the minutes that were recorded back in time until there are a day and an hour of them and they stand for enough samples. It returns where they end.
func (b *bench) multiply(ctx context.Context) (end time.Time, err error) {
	begin := time.Now()
	var first, last time.Time
	// The first and the last minute may be part of one only.
	if err := b.db.QueryRow(ctx, "SELECT min(minute) + INTERVAL 1 MINUTE, max(minute) FROM (SELECT minute FROM samples_1m GROUP BY minute HAVING uniqExact(kind, vantage, region, variant) = 6400 AND sum(samples) >= 600000)").Scan(&first, &last); err != nil {
		return end, err
	}
	minutes := int(last.Sub(first).Minutes())
	if minutes < 1 {
		return end, fmt.Errorf("no whole minute was recorded: %s to %s", first, last)
	}
	each, err := b.number(ctx, fmt.Sprintf("SELECT toUInt64(sum(samples)) FROM samples_1m WHERE minute >= toDateTime(%d) AND minute < toDateTime(%d)", first.Unix(), last.Unix()))
	if err != nil {
		return end, err
	}
	copies := max(int(math.Ceil(float64(b.samples)/float64(each))), int(math.Ceil(float64(26*60)/float64(minutes))))
	tables, err := b.names(ctx, "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'samples_1m' ORDER BY position")
	if err != nil {
		return end, err
	}
	var columns []string
	for _, c := range tables {
		switch c {
		case "minute":
			c = "minute - toIntervalMinute(number * " + fmt.Sprint(minutes) + ") AS minute"
		case "last_due":
			c = "last_due - toIntervalMinute(number * " + fmt.Sprint(minutes) + ") AS last_due"
		}
		columns = append(columns, c)
	}
	const step = 12
	for from := 1; from < copies; from += step {
		// Unmerged rows are added up first, so that the copies are what a merged table holds.
		err := b.db.Exec(ctx, fmt.Sprintf("INSERT INTO samples_1m SELECT %s FROM (SELECT * FROM samples_1m FINAL WHERE minute >= toDateTime(%d) AND minute < toDateTime(%d)) AS m CROSS JOIN numbers(%d, %d) SETTINGS insert_deduplicate = 0, max_partitions_per_insert_block = 0, throw_on_max_partitions_per_insert_block = 0",
			strings.Join(columns, ", "), first.Unix(), last.Unix(), from, min(step, copies-from)))
		if err != nil {
			return end, err
		}
	}
	if b.report.Represented, err = b.number(ctx, "SELECT toUInt64(sum(samples)) FROM samples_1m"); err != nil {
		return end, err
	}
	if err := b.settle(ctx); err != nil {
		return end, err
	}
	say("minutes  %d copies of %d minutes, %d samples, in %.0f s", copies, minutes, b.report.Represented, time.Since(begin).Seconds())
	return last, nil
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
		before, err := b.engine.cpu()
		if err != nil {
			return 0, 0, err
		}
		var lines counter
		if err := b.db.QueryFormat(ctx, &lines, "TabSeparated", query); err != nil {
			return 0, 0, err
		}
		after, err := b.engine.cpu()
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
