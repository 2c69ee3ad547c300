package stats

import (
	"context"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Imported samples have a stream and numbers of their own, and no ranking counts them. The coarse condition on the due time lets ClickHouse skip by the table's sort key.
const (
	window = ` toStartOfFiveMinutes(due) >= toStartOfFiveMinutes(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
	AND due >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND vantage != '` + schemas.ImportVantage + `' AND has({kinds:Array(String)}, kind)`
	// isNew is true of what no mark covers.
	isNew = `(stream_sequence > transform(vantage, {vantages:Array(String)}, {sequences:Array(UInt64)}, toUInt64(0))
		AND ` + stored + ` >= transform(vantage, {vantages:Array(String)}, {since:Array(Int64)}, toInt64(0)))`
	// stored is the second in which the bus stored the sample.
	stored = `(toUnixTimestamp(due) + stored_after_s)`
	bin    = `toInt32(floor(log2(greatest(latency_us, 1)) * {bins:Int32}))`
)

// begin marks what is stored now: that is what apps are loaded up to. Where the newest message has not the highest number, the bus began anew; what came before the
// newest message then counts as loaded, whatever its number.
func (w *Window) begin(ctx context.Context, s span) error {
	w.marks = marks{}
	rows, err := w.db.Query(ctx, `
SELECT vantage, argMax(stream_sequence, (`+stored+`, stream_sequence)) AS last, if(last < max(stream_sequence), max(`+stored+`) - 1, 0) AS since
FROM samples WHERE`+window+` GROUP BY vantage`, clickhouse.Named("from", s.from.UnixMilli()), clickhouse.Named("kinds", s.kinds))
	if err != nil {
		return fmt.Errorf("newest samples: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var vantage string
		var m mark
		if err := rows.Scan(&vantage, &m.sequence, &m.since); err != nil {
			return fmt.Errorf("newest samples: %w", err)
		}
		w.marks[vantage] = m
	}
	return wrap("newest samples", rows.Err())
}

// named are the marks as arguments of a query.
func (m marks) named(more ...any) []any {
	names, sequences, since := []string{}, []uint64{}, []int64{}
	for vantage, one := range m {
		names, sequences, since = append(names, vantage), append(sequences, one.sequence), append(since, one.since)
	}
	return append(more, clickhouse.Named("vantages", names), clickhouse.Named("sequences", sequences), clickhouse.Named("since", since),
		clickhouse.Named("bins", rank.BinsPerOctave))
}

// newcomer is a sample that was not held.
type newcomer struct {
	app      string
	key      key
	dueMS    int64
	bin      int32
	sequence uint64
}

// newcomers reads what no mark covers. By the least mark ClickHouse passes over what it stored long ago.
func (w *Window) newcomers(ctx context.Context, s span) ([]newcomer, error) {
	rows, err := w.db.Query(ctx, `
SELECT app, vantage, region, variant, kind, toUnixTimestamp64Milli(due), if(outcome = 'ok', `+bin+`, -1), stream_sequence
FROM samples WHERE`+window+` AND stream_sequence > {least:UInt64} AND `+isNew,
		w.marks.named(clickhouse.Named("from", s.from.UnixMilli()), clickhouse.Named("kinds", s.kinds), clickhouse.Named("least", w.marks.least(s.vantages)))...)
	if err != nil {
		return nil, fmt.Errorf("new samples: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []newcomer
	for rows.Next() {
		var r newcomer
		if err := rows.Scan(&r.app, &r.key.vantage, &r.key.region, &r.key.variant, &r.key.kind, &r.dueMS, &r.bin, &r.sequence); err != nil {
			return nil, fmt.Errorf("new samples: %w", err)
		}
		all = append(all, r)
	}
	return all, wrap("new samples", rows.Err())
}

// load reads all samples of an app that the marks cover.
func (w *Window) load(ctx context.Context, app schemas.App, in rank.Inputs) (*held, error) {
	l := layoutOf(app)
	from := in.End.UnixMilli() - in.WindowMS
	h := newHeld(l, from)
	args := w.marks.named(clickhouse.Named("app", app.Name), clickhouse.Named("from", from), clickhouse.Named("block", in.BlockMS), clickhouse.Named("kinds", l.kinds()))
	rows, err := w.db.Query(ctx, `
SELECT vantage, region, variant, kind, groupArray(newest), groupArray(bin), groupArray(n), max(sequence)
FROM (SELECT vantage, region, variant, kind, if(outcome = 'ok', `+bin+`, -1) AS bin,
	count() AS n, max(toUnixTimestamp64Milli(due)) AS newest, max(stream_sequence) AS sequence
	FROM samples WHERE app = {app:String} AND`+window+` AND NOT `+isNew+`
	GROUP BY vantage, region, variant, kind, toStartOfMinute(due), intDiv(toUnixTimestamp64Milli(due), {block:Int64}), bin
	ORDER BY newest)
GROUP BY vantage, region, variant, kind`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k key
		var newest []int64
		var bins []int32
		var numbers []uint64
		var sequence uint64
		if err := rows.Scan(&k.vantage, &k.region, &k.variant, &k.kind, &newest, &bins, &numbers, &sequence); err != nil {
			return nil, err
		}
		h.sequence = max(h.sequence, sequence)
		for i, n := range numbers {
			h.add(k, newest[i], bins[i], n)
			h.minutes[minuteOf(newest[i])] += n
		}
	}
	return h, rows.Err()
}

// settled is how long after its end a minute is compared: before, most differences are of samples on their way.
const settled = 20 * time.Second

// moment is a minute of an app, counted since 1970.
type moment struct {
	app    string
	minute int64
}

// counts are numbers of samples.
type counts map[moment]uint64

func minuteOf(ms int64) int64 { return ms / time.Minute.Milliseconds() }

// census is how many samples were stored when it was held.
type census struct {
	at time.Time
	of counts
}

// end is the first minute that it does not tell of.
func (c census) end() int64 { return minuteOf(c.at.Add(-settled).UnixMilli()) }

// stored counts the samples of every app and minute.
func (w *Window) stored(ctx context.Context, s span) (census, error) {
	c := census{at: s.now, of: counts{}}
	rows, err := w.db.Query(ctx, `
SELECT app, kind, toInt64(toUnixTimestamp(minute)), sum(samples) FROM samples_1m
WHERE toStartOfHour(minute) >= toStartOfHour({from:DateTime('UTC')}) AND minute >= {from:DateTime('UTC')} AND minute < {to:DateTime('UTC')}
	AND vantage != '`+schemas.ImportVantage+`' AND has({kinds:Array(String)}, kind)
GROUP BY app, kind, minute`,
		clickhouse.Named("from", s.from.Unix()), clickhouse.Named("to", c.end()*60), clickhouse.Named("kinds", s.kinds))
	if err != nil {
		return c, fmt.Errorf("stored samples: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var app, kind string
		var second int64
		var n uint64
		if err := rows.Scan(&app, &kind, &second, &n); err != nil {
			return c, fmt.Errorf("stored samples: %w", err)
		}
		if h := w.apps[app]; h != nil && h.layout.counts(kind) {
			c.of[moment{app, second / 60}] += n
		}
	}
	return c, wrap("stored samples", rows.Err())
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
