package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/process"
)

const (
	// pastApps is how many apps the samples that are older than any window are of: those that come first.
	pastApps = 50
	// slot is how much is fabricated in one go: the tables are sorted by five minutes first.
	slot = 5 * time.Minute
	// flush is how often each partition's new samples are inserted, and longest the most that one INSERT holds.
	flush, longest = time.Second, 10 * time.Second
)

// load makes the samples. They are made of the hash of their cell and time, so that equal arguments give equal samples.
type load struct {
	*world
	partitions int

	// turn is held by whoever inserts.
	turn sync.RWMutex
	// to is up to where the window is filled.
	to time.Time
}

// fabricated are the samples of a span of time of the cells that a condition takes: around a median that grows with the distance, spread by a tenth; one in fifty
// is 3 to 10 times as long, one in 500 is a time-out. An app's cells are spread evenly over the beat.
const fabricated = `INSERT INTO %s (due, app, kind, vantage, region, variant, vantage_region, outcome, latency_us, late_us, status, topology, boot, counter, batch_row, stream_sequence)
SELECT fromUnixTimestamp64Milli(ms, 'UTC'), app, 'http', vantage, region, variant, of, if(luck %% 500 = 0, 'timeout', 'ok') AS outcome,
	if(outcome = 'ok', toUInt32(median * exp(0.1732 * ((bitAnd(h, 65535) + bitAnd(bitShiftRight(h, 16), 65535) + bitAnd(bitShiftRight(h, 32), 65535) + bitShiftRight(h, 48)) / 65536 - 2))
		* if(luck %% 50 = 1, 3 + luck %% 8, 1)), 800100),
	70, 200, 'a1b2c3d4e5f60718', 1800000000000000, intDiv(ms, {flush:Int64}), number %% 65536, intDiv(ms, {flush:Int64}) * {vantages:Int64} + seat
FROM
(
	SELECT *, arrayJoin(range(head + positiveModulo(phase - head, {beat:Int64}), tail, {beat:Int64})) AS ms, cityHash64(ms, number) AS h, intHash32(h) AS luck
	FROM (SELECT {from:Int64} + toInt64(number) * {slot:Int64} AS head, least(head + {slot:Int64}, {to:Int64}) AS tail FROM numbers({slots:UInt64})) AS s
	CROSS JOIN (SELECT * FROM cells WHERE place < {apps:UInt32} AND positiveModulo(phase - {from:Int64}, {beat:Int64}) < {to:Int64} - {from:Int64} AND (%s)) AS c
)
SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_rows = 4000000, min_insert_block_size_bytes = 4000000000`

// fabricate inserts the samples of a span of time of the first apps.
func (l *load) fabricate(ctx context.Context, table, condition string, apps int, from, to time.Time) error {
	return l.db.Exec(ctx, fmt.Sprintf(fabricated, table, condition),
		clickhouse.Named("from", from.UnixMilli()), clickhouse.Named("to", to.UnixMilli()), clickhouse.Named("slot", slot.Milliseconds()), clickhouse.Named("slots", int((to.Sub(from)+slot-1)/slot)),
		clickhouse.Named("apps", apps), clickhouse.Named("beat", beat.Milliseconds()), clickhouse.Named("flush", flush.Milliseconds()), clickhouse.Named("vantages", vantages))
}

// prepare makes the table of all cells, and two tables beside samples and its minutes from which whole days are moved there: what is old does not go through the views.
func (l *load) prepare(ctx context.Context, apps int) error {
	var partitions []string
	of := map[string]int{}
	for _, v := range names(vantages, vantageName) {
		// A partition's subjects differ in the vantage alone.
		subject := strings.TrimSuffix(schemas.SampleSubject(v), schemas.Token(v))
		if _, known := of[subject]; !known {
			of[subject] = len(of)
		}
		partitions = append(partitions, fmt.Sprint(of[subject]))
	}
	l.partitions = len(of)
	for _, statement := range []string{
		"CREATE TABLE past AS samples",
		"CREATE TABLE minutes AS samples_1m",
		`CREATE TABLE cells (app LowCardinality(String), vantage LowCardinality(String), region LowCardinality(String), variant LowCardinality(String), of LowCardinality(String),
			place UInt32, seat UInt8, partition UInt8, number UInt32, phase Int64, median Float64) ENGINE = Memory`,
		fmt.Sprintf(`INSERT INTO cells
			SELECT format('app-{}', leftPad(toString(place), 4, '0')), format('vantage-{}', toString(seat)), format('region-{}', toString(r)), format('variant-{}', toString(v)), format('region-{}', toString(seat %% %[1]d)),
				intDiv(number, %[4]d) AS place, intDiv(number, %[1]d * %[2]d) %% %[3]d AS seat, [%[5]s][seat + 1], number, cityHash64(number) %% %[6]d,
				15000 + 4000 * abs(toInt32(seat %% %[1]d) - toInt32(r)) + 1500 * v
			FROM (SELECT number, intDiv(number, %[2]d) %% %[1]d AS r, number %% %[2]d AS v FROM numbers(%[7]d))`,
			regions, variants, vantages, perApp, strings.Join(partitions, ", "), beat.Milliseconds(), apps*perApp),
	} {
		if err := l.db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// history makes sure that so many samples are stored that are older than any window, in days before yesterday, the newest first.
func (l *load) history(ctx context.Context, want uint64) error {
	end := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	have, err := l.number(ctx, "SELECT count() FROM samples WHERE due < {end:DateTime('UTC')}", clickhouse.Named("end", end.Unix()))
	if err != nil {
		return err
	}
	const perHour = pastApps * perApp * uint64(time.Hour/beat)
	hours := (want + perHour - 1) / perHour
	for done := have / perHour; done < hours; done++ {
		from := end.Add(-time.Duration(done+1) * time.Hour)
		if err := l.fabricate(ctx, "past", "1", pastApps, from, from.Add(time.Hour)); err != nil {
			return err
		}
		if (done+1)%10 == 0 {
			say("%d of %d hours of the past are fabricated", done+1, hours)
		}
	}
	return l.move(ctx, "past", "samples")
}

// move moves whatever a table holds to another.
func (l *load) move(ctx context.Context, from, to string) error {
	partitions, err := l.column(ctx, "SELECT DISTINCT partition_id FROM system.parts WHERE database = currentDatabase() AND active AND table = '"+from+"'")
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if err := l.db.Exec(ctx, fmt.Sprintf("ALTER TABLE %s MOVE PARTITION ID '%s' TO TABLE %s", from, p, to)); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) column(ctx context.Context, query string) (all []string, err error) {
	rows, err := l.db.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// refill forgets the newest two days and fills the window of the first apps anew. The states of all apps' minutes are copies of the first app's, which is cheaper and changes only what they say of latencies.
func (l *load) refill(ctx context.Context, apps int) error {
	today := time.Now().UTC()
	statements := []string{"TRUNCATE TABLE samples_1m", "TRUNCATE TABLE samples_1h"}
	for _, day := range []time.Time{today, today.Add(-24 * time.Hour)} {
		statements = append(statements, "ALTER TABLE samples DROP PARTITION ID '"+day.Format("20060102")+"'")
	}
	for _, s := range statements {
		if err := l.db.Exec(ctx, s); err != nil {
			return err
		}
	}
	l.to = time.Now().Truncate(time.Minute)
	from := l.to.Add(-window - 2*slot).Truncate(slot)
	for ; from.Before(l.to); from = from.Add(slot) {
		if err := l.fabricate(ctx, "past", "1", apps, from, earlier(from.Add(slot), l.to)); err != nil {
			return err
		}
	}
	if err := l.move(ctx, "past", "samples"); err != nil {
		return err
	}
	if err := l.db.Exec(ctx, `INSERT INTO minutes
		SELECT minute, a.app, kind, vantage, region, variant, samples, failures, last_due, latency FROM (
			SELECT toStartOfMinute(due) AS minute, kind, vantage, region, variant, count() AS samples, countIf(outcome != 'ok') AS failures, max(due) AS last_due,
				quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(latency_us, outcome = 'ok') AS latency
			FROM samples WHERE app = {first:String} AND toStartOfFiveMinutes(due) >= toDateTime({from:Int64}) GROUP BY minute, kind, vantage, region, variant
		) AS m CROSS JOIN (SELECT DISTINCT app FROM cells WHERE place < {apps:UInt32}) AS a`,
		clickhouse.Named("first", appName(0)), clickhouse.Named("from", l.to.Add(-window-3*slot).Unix()), clickhouse.Named("apps", apps)); err != nil {
		return err
	}
	return l.move(ctx, "minutes", "samples_1m")
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// keep inserts what is due, partition by partition, until ctx ends.
func (l *load) keep(ctx context.Context, apps int) error {
	for {
		if err := cmp.Or(l.insert(ctx, apps), process.Pause(ctx, time.Until(l.to.Add(flush)))); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// insert inserts what is due since the last time, of each partition in an INSERT of its own, between which the ranker's queries have their turn.
func (l *load) insert(ctx context.Context, apps int) error {
	to := earlier(time.Now().Truncate(flush), l.to.Add(longest))
	if !to.After(l.to) {
		return nil
	}
	for p := range l.partitions {
		if err := l.insertOf(ctx, p, apps, to); err != nil {
			return err
		}
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.to = to
	return nil
}

func (l *load) insertOf(ctx context.Context, partition, apps int, to time.Time) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	return l.fabricate(ctx, "samples", fmt.Sprintf("partition = %d", partition), apps, l.to, to)
}
