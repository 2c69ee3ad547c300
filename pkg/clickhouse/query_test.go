package clickhouse_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/sethvargo/go-retry"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// each type's column goes in as a slice and comes back by a scan.
func TestTypesSurviveTheRoundTrip(t *testing.T) {
	db := open(t)
	at := time.Date(2026, 11, 20, 23, 59, 59, 123_000_000, time.UTC)
	id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	for kind, values := range map[string]any{
		"UInt8":                               []uint8{0, 255},
		"UInt16":                              []uint16{0, 65535},
		"UInt32":                              []uint32{0, 1<<32 - 1},
		"UInt64":                              []uint64{0, 1<<64 - 1},
		"Int8":                                []int8{-128, 127},
		"Int64":                               []int64{-1 << 63, 1<<63 - 1},
		"Float64":                             []float64{-0.1, 1e300},
		"Bool":                                []bool{true, false},
		"String":                              []string{"", "wind\x00ward\nü"},
		"FixedString(4)":                      []string{"abcd", "efgh"},
		"LowCardinality(String)":              []string{"madrid", "tokyo"},
		"Enum8('ok' = 1, 'timeout' = 2)":      []string{"ok", "timeout"},
		"DateTime('UTC')":                     []time.Time{at.Truncate(time.Second), time.Unix(0, 0).UTC()},
		"DateTime64(3, 'UTC')":                []time.Time{at, time.Unix(0, 0).UTC()},
		"DateTime64(6, 'UTC')":                []time.Time{at.Add(time.Microsecond), time.Unix(0, 0).UTC()},
		"Nullable(Float64)":                   []*float64{nil, new(float64)},
		"Array(String)":                       [][]string{{}, {"a", "b"}},
		"Array(LowCardinality(String))":       [][]string{{"x"}, {}},
		"Array(Array(Float64))":               [][][]float64{{{1, 2}, {}}, {}},
		"Map(String, UInt64)":                 []map[string]uint64{{}, {"a": 1, "b": 2}},
		"Map(LowCardinality(String), String)": []map[string]string{{"k": "v"}, {}},
		"UUID":                                []uuid.UUID{id, {}},
		"UInt256":                             []*big.Int{big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), 200)},
		"IPv6":                                []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::1")},
	} {
		exec(t, db, "DROP TABLE IF EXISTS t", "CREATE TABLE t (n UInt8, v "+kind+") ENGINE = MergeTree ORDER BY n")
		in := clickhouse.Block{Table: "t", Token: kind, Columns: []clickhouse.Column{{Name: "n", Values: []uint8{1, 2}}, {Name: "v", Values: values}}}
		if err := db.Insert(t.Context(), in); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		got, err := column(t, db, values)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		equalNumbers := cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })
		equalAddresses := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(values, got, equalNumbers, equalAddresses); diff != "" {
			t.Errorf("%s, sent - got +:\n%s", kind, diff)
		}
	}
}

func TestParametersAreBoundByTheServer(t *testing.T) {
	db := open(t)
	nasty := `it's "x" \ {y}; DROP TABLE t`
	var s string
	var n int64
	row := db.QueryRow(t.Context(), "SELECT {s:String}, {n:Int64} + 1", clickhouse.Named("s", nasty), clickhouse.Named("n", -41))
	if err := row.Scan(&s, &n); err != nil || s != nasty || n != -40 {
		t.Errorf("%q, %d, %v", s, n, err)
	}
}

func TestEmptyResultIsNoRows(t *testing.T) {
	db := open(t)
	var n uint64
	if err := db.QueryRow(t.Context(), "SELECT number FROM numbers(9) WHERE number > 9").Scan(&n); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("%v, want sql.ErrNoRows", err)
	}
	var some []struct{ N uint64 }
	if err := db.Select(t.Context(), &some, "SELECT number AS N FROM numbers(0)"); err != nil || len(some) != 0 {
		t.Errorf("%v, %v", some, err)
	}
}

func TestErrorsKnowWhetherToTryAgain(t *testing.T) {
	engine := chembedtest.StartEngine(t)
	db, err := clickhouse.Open(engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	slow, err := clickhouse.Open(engine.DSN() + "?max_execution_time=1")
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	const endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
	for _, c := range []struct {
		db        *clickhouse.DB
		query     string
		code      int
		retryable bool
	}{
		{db, "SELECT * FROM nope", 60, false},
		{db, "SELEC 1", 62, false},
		{db, "INSERT INTO nope VALUES (1)", 60, false},
		{slow, endless, 159, true},
	} {
		err := c.db.Exec(t.Context(), c.query)
		if clickhouse.Code(err) != c.code || clickhouse.Retryable(err) != c.retryable {
			t.Errorf("%s: code %d, retryable %v, %v; want %d, %v", c.query, clickhouse.Code(err), clickhouse.Retryable(err), err, c.code, c.retryable)
		}
	}

	wrong, err := clickhouse.Open(strings.Replace(engine.DSN(), chembedtest.Token, "wrong", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if err := wrong.Ready(t.Context()); clickhouse.Code(err) != 516 || clickhouse.Retryable(err) {
		t.Errorf("wrong token: %v, want code 516, not worth a retry", err)
	}

	engine.Kill()
	tries := 0
	err = retry.Do(t.Context(), retry.WithMaxRetries(3, retry.NewConstant(time.Millisecond)), func(ctx context.Context) error {
		tries++
		if tries == 3 {
			engine.Restart()
		}
		return db.Ready(ctx)
	})
	if err != nil || tries < 3 {
		t.Errorf("engine down and up again: %d tries, %v", tries, err)
	}
}

func TestQueryFormatIsWholeOrAnError(t *testing.T) {
	db := open(t)
	var out bytes.Buffer
	if err := db.QueryFormat(t.Context(), &out, "JSONEachRow", "SELECT {n:UInt8} AS n", clickhouse.Named("n", 7)); err != nil || out.String() != "{\"n\":7}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	for _, format := range []string{"TSV", "CSV", "JSONEachRow", "JSON"} {
		err := db.QueryFormat(t.Context(), &out, format, "SELECT number, throwIf(number = 400000, 'storm') FROM numbers(800000)")
		if clickhouse.Code(err) != 395 {
			t.Errorf("%s: %v, want code 395", format, err)
		}
	}
	if err := db.QueryFormat(t.Context(), &out, "CSV", "SELECT nope"); clickhouse.Code(err) != 47 {
		t.Errorf("%v, want code 47", err)
	}
}

func TestRowsThatBreakOffAreAnError(t *testing.T) {
	db := open(t)
	rows, err := db.Query(t.Context(), "SELECT number, throwIf(number = 400000, 'storm') FROM numbers(800000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if clickhouse.Code(rows.Err()) != 395 || n == 0 || n >= 800_000 {
		t.Errorf("%d rows, then %v; want code 395 in the middle", n, rows.Err())
	}
}

func TestThreeMillionRowsArriveInOrder(t *testing.T) {
	db := open(t)
	rows, err := db.Query(t.Context(), "SELECT number FROM numbers(3000000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var want, got uint64
	for ; rows.Next(); want++ {
		if err := rows.Scan(&got); err != nil || got != want {
			t.Fatalf("row %d is %d, %v", want, got, err)
		}
	}
	if rows.Err() != nil || want != 3_000_000 {
		t.Errorf("%d rows, %v", want, rows.Err())
	}
}

func TestOpenRefusesWhatIsNoDSN(t *testing.T) {
	for _, dsn := range []string{"", "8123", "http://", "clickhouse://h:1/d?dial_timeout=soon"} {
		if db, err := clickhouse.Open(dsn); err == nil {
			db.Close()
			t.Errorf("Open(%q) succeeded", dsn)
		}
	}
	for _, dsn := range []string{"https://u:p@h:8443/d", "https://u:p@h:8443/d?secure=true", "clickhouse://u:p@h:9000/d"} {
		db, err := clickhouse.Open(dsn)
		if err != nil {
			t.Errorf("Open(%q): %v", dsn, err)
			continue
		}
		db.Close()
	}
}
