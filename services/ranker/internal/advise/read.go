package advise

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// most is how many rankings of the span are computed again; they lie evenly in it.
const most = 48

// Barred is a region that traffic could never have moved to from an active region.
type Barred struct {
	Region   string `json:"region"`
	Active   string `json:"active"`
	Rankings uint64 `json:"rankings"`
	// Gate is the one that stood in the way most often, in Share of the rankings, and Evidence its newest; empty when nothing runs in the region.
	Gate     string  `json:"gate,omitempty"`
	Share    float64 `json:"share,omitempty"`
	Evidence string  `json:"evidence,omitempty"`
}

// Recovery is how long failovers took, and how far databases were behind.
type Recovery struct {
	// Failovers are those that ended well in the span. The seconds are the slowest: from the first sign to the decision, and from there to traffic seen in the new region.
	Failovers        uint64  `json:"failovers"`
	DetectionSeconds float64 `json:"detection_seconds"`
	ShiftSeconds     float64 `json:"shift_seconds"`
	// ExpectedDetectionSeconds is when the slowest vantage judges a region down that stops answering: its rounds and the last one's time-out.
	ExpectedDetectionSeconds float64 `json:"expected_detection_seconds"`
	// LimitSeconds is the app's gate rpo; 0 for none.
	LimitSeconds float64 `json:"limit_seconds"`
	Lags         []Lag   `json:"lags"`
}

// Lag is how far a region's database was behind the primary.
type Lag struct {
	Region  string `json:"region"`
	Samples uint64 `json:"samples"`
	// P99Seconds is missing when no measurement went well.
	P99Seconds *float64 `json:"p99_seconds"`
}

const barred = `
SELECT b.region, b.active, b.rankings, g.gate, g.blocked / b.rankings, g.evidence
FROM (SELECT region, active, uniqExact(at) AS rankings FROM rankings
	WHERE app = {app:String} AND at >= {from:DateTime64(3, 'UTC')} AND region != active
	GROUP BY region, active HAVING countIf(eligible) = 0) AS b
LEFT JOIN (SELECT region, active, g.name AS gate, uniqExact(at) AS blocked, argMax(g.evidence, at) AS evidence FROM rankings
	ARRAY JOIN gates AS g
	WHERE app = {app:String} AND at >= {from:DateTime64(3, 'UTC')} AND region != active AND running AND g.result != 'pass'
	GROUP BY region, active, gate ORDER BY blocked DESC, gate LIMIT 1 BY region, active) AS g ON g.region = b.region AND g.active = b.active
ORDER BY b.region, b.active`

const failovers = `
SELECT count(), ifNull(max(detection_seconds), 0), ifNull(max(shift_seconds), 0)
FROM decision_log WHERE app = {app:String} AND at >= {from:DateTime64(3, 'UTC')} AND outcome = 'finished'`

const lags = `
SELECT region, sum(samples) AS measured, max(p99_ms) / 1000
FROM latency_by_region WHERE app = {app:String} AND hour >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND kind = 'db_lag'
GROUP BY region ORDER BY region`

// stored takes the newest inputs of each of the equal parts of the span.
const stored = `
SELECT inputs FROM rankings
WHERE app = {app:String} AND inputs != '' AND at IN (
	SELECT max(at) FROM rankings WHERE app = {app:String} AND at >= {from:DateTime64(3, 'UTC')} AND inputs != ''
	GROUP BY intDiv(toUnixTimestamp64Milli(at) - toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), {part:Int64}))
ORDER BY at`

// Read asks ClickHouse for what is known of the app since a moment.
func Read(ctx context.Context, db *clickhouse.DB, app string, from, until time.Time) (Report, error) {
	q := query{ctx, db, []any{clickhouse.Named("app", app), clickhouse.Named("from", from.UTC()), clickhouse.Named("part", max(until.Sub(from).Milliseconds()/most, 1))}}
	var inputs []json.RawMessage
	err := q.each(stored, func(row clickhouse.Rows) error {
		var text string
		err := row.Scan(&text)
		inputs = append(inputs, json.RawMessage(text))
		return err
	})
	if err != nil {
		return Report{}, err
	}
	if len(inputs) == 0 {
		return Report{}, fmt.Errorf("no ranking of %s since %s: is that its name, and was it ranked?", app, from.UTC().Format(time.RFC3339))
	}
	r, err := Of(inputs)
	if err != nil {
		return r, err
	}
	now, err := rank.Ranked(inputs[len(inputs)-1])
	if err != nil {
		return r, err
	}
	r.App, r.From, r.Until = app, from.UTC(), until.UTC()
	r.Recovery.ExpectedDetectionSeconds = (time.Duration(now.Probe.DownAfter)*now.Probe.Interval.D() + now.Probe.Timeout.D()).Seconds()
	r.Recovery.LimitSeconds = now.Gates.RPO.D().Seconds()
	return r, q.read(&r)
}

type query struct {
	ctx  context.Context
	db   *clickhouse.DB
	args []any
}

// read adds what needs no ranking to be computed again.
func (q query) read(r *Report) error {
	r.Barred, r.Recovery.Lags = []Barred{}, []Lag{}
	if err := q.db.QueryRow(q.ctx, "SELECT uniqExact(at) FROM rankings WHERE app = {app:String} AND at >= {from:DateTime64(3, 'UTC')}", q.args...).Scan(&r.Rankings); err != nil {
		return err
	}
	if err := q.each(barred, func(row clickhouse.Rows) error {
		var b Barred
		err := row.Scan(&b.Region, &b.Active, &b.Rankings, &b.Gate, &b.Share, &b.Evidence)
		r.Barred = append(r.Barred, b)
		return err
	}); err != nil {
		return err
	}
	if err := q.each(lags, func(row clickhouse.Rows) error {
		var l Lag
		err := row.Scan(&l.Region, &l.Samples, &l.P99Seconds)
		r.Recovery.Lags = append(r.Recovery.Lags, l)
		return err
	}); err != nil {
		return err
	}
	if err := q.db.QueryRow(q.ctx, failovers, q.args...).Scan(&r.Recovery.Failovers, &r.Recovery.DetectionSeconds, &r.Recovery.ShiftSeconds); err != nil {
		return err
	}
	return q.drain(&r.Drain)
}

func (q query) each(text string, take func(clickhouse.Rows) error) error {
	rows, err := q.db.Query(q.ctx, text, q.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := take(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
