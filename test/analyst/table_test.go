package analyst_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

func column[T, V any](name string, rows []T, value func(T) V) clickhouse.Column {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = value(r)
	}
	return clickhouse.Column{Name: name, Values: values}
}

func insert(t *testing.T, db *clickhouse.DB, table string, columns ...clickhouse.Column) {
	t.Helper()
	if err := db.Insert(t.Context(), clickhouse.Block{Table: table, Token: fmt.Sprint(table, time.Now().UnixNano()), Columns: columns}); err != nil {
		t.Fatal(err)
	}
}

func (w world) insert(t *testing.T, db *clickhouse.DB) {
	t.Helper()
	insertSamples(t, db, w.there())
	insertSamples(t, db, w.duplicated())
	var apart []sample
	for _, s := range w.samples {
		if s.quarantined {
			apart = append(apart, s)
		}
	}
	insert(t, db, "quarantine",
		column("stored", apart, func(s sample) time.Time { return s.due }),
		column("reason", apart, func(s sample) string {
			if s.quarantinedEarly {
				return "early"
			}
			return "late"
		}),
		column("vantage", apart, func(s sample) string { return s.vantage }), column("kind", apart, func(s sample) string { return s.kind }),
		column("boot", apart, func(s sample) uint64 { return s.boot }), column("counter", apart, func(s sample) uint64 { return s.counter }), column("batch_row", apart, func(s sample) uint16 { return s.row }),
	)
}

func insertSamples(t *testing.T, db *clickhouse.DB, rows []sample) {
	t.Helper()
	insert(t, db, "samples",
		column("due", rows, func(s sample) time.Time { return s.due }),
		column("app", rows, func(s sample) string { return s.app }), column("kind", rows, func(s sample) string { return s.kind }),
		column("vantage", rows, func(s sample) string { return s.vantage }), column("region", rows, func(s sample) string { return s.region }),
		column("variant", rows, func(s sample) string { return s.variant }), column("outcome", rows, func(s sample) string { return s.outcome }),
		column("latency_us", rows, func(s sample) uint32 { return s.latency }), column("dns_us", rows, func(s sample) uint32 { return s.dns }),
		column("connect_us", rows, func(s sample) uint32 { return s.connect }), column("tls_us", rows, func(s sample) uint32 { return s.tls }),
		column("first_byte_us", rows, func(s sample) uint32 { return s.firstByte }), column("transfer_us", rows, func(s sample) uint32 { return s.transfer }),
		column("stored_after_s", rows, func(s sample) int32 { return s.storedAfter }), column("spooled", rows, func(s sample) bool { return s.spooled }),
		column("boot", rows, func(s sample) uint64 { return s.boot }), column("counter", rows, func(s sample) uint64 { return s.counter }), column("batch_row", rows, func(s sample) uint16 { return s.row }),
	)
}

// history are the rows of the small tables, by hand, as seconds before now.
const history = `
INSERT INTO rankings (at, app, active, rank, region, variant, choice, reason, running, eligible, enough, cost_ms, low_ms, high_ms, gates.name, gates.result, gates.evidence)
WITH toDateTime64(now() - ago, 3, 'UTC') AS at
SELECT at, 'shop', 'frankfurt', rank, region, variant, rank = 1 AND variant = 'slim', if(ago = 2000, 'london/slim is no longer eligible', ''), running, eligible, enough, cost, cost - 1, cost + 1, gates.1, gates.2, gates.3
FROM values('ago UInt32, rank UInt16, region String, variant String, running Bool, eligible Bool, enough Bool, cost Float64, gates Tuple(Array(String), Array(String), Array(String))',
    (3000, 1, 'london', 'slim', true, true, true, 20, (['fresh'], ['pass'], ['1s old'])), (3000, 2, 'dallas', 'slim', true, true, true, 90, (['fresh'], ['pass'], ['1s old'])),
    (2000, 1, 'dallas', 'slim', true, true, true, 91, (['fresh'], ['pass'], ['1s old'])), (2000, 2, 'london', 'slim', true, false, true, 22, (['fresh'], ['fail'], ['40s old'])),
    (1000, 1, 'london', 'slim', true, true, true, 21, (['fresh'], ['pass'], ['1s old'])), (1000, 2, 'dallas', 'slim', true, true, true, 92, (['fresh'], ['pass'], ['1s old'])),
    (60, 1, 'london', 'slim', true, true, true, 21.5, (['fresh', 'rpo'], ['pass', 'pass'], ['1s old', '0s behind'])), (60, 1, 'london', 'nginx', true, true, true, 21.6, (['fresh'], ['pass'], ['1s old'])),
    (60, 3, 'dallas', 'slim', true, false, true, 92.5, (['fresh', 'rpo'], ['pass', 'unknown'], ['1s old', 'not measured for 40s'])), (60, 4, 'dallas', 'nginx', false, false, false, 0, (['running'], ['fail'], ['no endpoint'])));

INSERT INTO decisions (at, app, plan, trigger, state, reason, from_region, from_variant, region, variant, chosen, eligible, cost_ms, gates.name, gates.result, gates.evidence)
WITH toDateTime64(now() - ago, 3, 'UTC') AS at
SELECT at, 'shop', plan, trigger, state, 'frankfurt is down', 'frankfurt', 'slim', region, 'slim', chosen, eligible, cost, gates.1, gates.2, gates.3
FROM values('ago UInt32, plan String, trigger String, state String, region String, chosen Bool, eligible Bool, cost Float64, gates Tuple(Array(String), Array(String), Array(String))',
    (7000, 'p1', 'alert', 'planned', 'london', true, true, 20, (['fresh'], ['pass'], ['1s old'])), (7000, 'p1', 'alert', 'planned', 'dallas', false, false, 90, (['max_rtt', 'rpo'], ['fail', 'pass'], ['160ms > 150ms', '0s behind'])),
    (6000, 'p2', 'verdicts', 'refused', 'london', false, false, 20, (['fresh'], ['fail'], ['40s old'])),
    (5000, 'p3', 'verdicts', 'planned', 'dallas', true, true, 90, (['fresh'], ['pass'], ['1s old'])));

INSERT INTO events (stored, type, subject, id, app, payload)
WITH toDateTime64(now() - ago, 6, 'UTC') AS at
SELECT at, 'leeward.failover.finished.v1', 'leeward.failover.finished.v1.shop', plan, 'shop',
    replaceAll(toJSONString(map('app', 'shop', 'plan', plan, 'state', state, 'at', formatDateTime(at, '%FT%T.000Z'))), '}', concat(',"times":{"', sign, '":"', formatDateTime(at - 9, '%FT%T.250Z'), '","planned_at":"', formatDateTime(at - 7, '%FT%T.000Z'), '","verified_at":"', formatDateTime(at - 6, '%FT%T.500Z'), '"}}'))
FROM values('ago UInt32, plan String, state String, sign String', (6900, 'p1', 'finished', 'alert_at'), (4900, 'p3', 'rolled_back', 'first_down_at'));

INSERT INTO drills (at, app, drill, plan, actor, from_region, from_variant, to_region, to_variant, passed, reason, shift_seconds, failed_requests)
SELECT toDateTime64(now() - ago, 3, 'UTC'), app, drill, drill, 'ada', 'frankfurt', 'slim', to, 'slim', passed, '', shift, failed
FROM values('ago UInt32, app String, drill String, to String, passed Bool, shift Float64, failed UInt64',
    (864000, 'shop', 'd1', 'london', true, 1.5, 0), (432000, 'shop', 'd2', 'london', false, 9.5, 12), (86400, 'api', 'd3', 'dallas', true, 2.5, 1));

INSERT INTO build_stages (finished, build, app, variant, stage, position, seconds, steps, cached_steps)
SELECT toDateTime64(now() - 60, 3, 'UTC'), build, 'shop', 'slim', stage, position, seconds, steps, cached
FROM values('build String, stage String, position UInt16, seconds Float64, steps UInt16, cached UInt16',
    ('b1', 'deps', 1, 30, 3, 0), ('b1', 'app', 2, 5, 2, 0), ('b2', 'deps', 1, 0, 3, 3), ('b2', 'app', 2, 6, 2, 0), ('b3', 'deps', 1, 0, 3, 3), ('b3', 'app', 2, 7, 2, 0));
`
