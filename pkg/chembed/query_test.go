package chembed_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
)

func TestEveryOutputFormatWorks(t *testing.T) {
	e := chembedtest.StartEngine(t)
	wantsMore := strings.Fields("AvroConfluent CapnProto GeoJSON PNG Prometheus Protobuf ProtobufList ProtobufSingle Template") // a schema, or columns of its own
	formats := strings.Fields(run(t, e, "SELECT name FROM system.formats WHERE is_output ORDER BY name"))
	if len(formats) < 60 {
		t.Fatalf("the engine has %d output formats, want at least 60", len(formats))
	}
	const query = "SELECT toString(number) AS s FROM numbers(3)"
	for _, f := range formats {
		if slices.Contains(wantsMore, f) {
			continue
		}
		a, err := ask(t.Context(), e, pairs("default_format", f), strings.NewReader(query))
		if err != nil || a.err != nil || a.status != http.StatusOK {
			t.Errorf("%s: status %d, %v %v, %.200s", f, a.status, err, a.err, a.body)
		}
		if (len(a.body) == 0) != (f == "Null") {
			t.Errorf("%s: %d bytes", f, len(a.body))
		}
		if got := a.header.Get("X-ClickHouse-Format"); got != f {
			t.Errorf("%s: the header says %q", f, got)
		}
	}
}

func TestFormatIsNamedByClauseThenParameterThenHeader(t *testing.T) {
	e := chembedtest.StartEngine(t)
	for _, c := range []struct{ query, parameter, header, want string }{
		{"SELECT 1 AS a", "", "", "1\n"},
		{"SELECT 1 AS a", "", "JSONEachRow", "{\"a\":1}\n"},
		{"SELECT 1 AS a", "CSVWithNames", "JSONEachRow", "\"a\"\n1\n"},
		{"SELECT 1 AS a FORMAT Values", "CSVWithNames", "JSONEachRow", "(1)"},
		{"SHOW TABLES FROM system LIKE 'one' FORMAT CSV", "", "", "\"one\"\n"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.Addr()+"/?"+
			pairs("query", c.query, "password", chembedtest.Token).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.parameter != "" {
			req.URL.RawQuery += "&default_format=" + c.parameter
		}
		req.Header.Set("X-ClickHouse-Format", c.header)
		a, err := do(req)
		if err != nil {
			t.Fatal(err)
		}
		if a.body != c.want {
			t.Errorf("%+v: got %q", c, a.body)
		}
	}
}

// The engine streams a large result as a row of documents; what arrives must be one.
func TestLargeResultsAreOneDocument(t *testing.T) {
	e := chembedtest.StartEngine(t)
	const rows = 300_000
	query := fmt.Sprintf("SELECT number FROM numbers(%d)", rows)

	var doc struct {
		Data []struct {
			Number json.Number `json:"number"`
		}
		Rows int
	}
	if err := json.Unmarshal([]byte(run(t, e, query, "default_format", "JSON")), &doc); err != nil || doc.Rows != rows || len(doc.Data) != rows {
		t.Errorf("JSON: %d rows, says %d, %v", len(doc.Data), doc.Rows, err)
	}
	table, err := csv.NewReader(strings.NewReader(run(t, e, query, "default_format", "CSVWithNames"))).ReadAll()
	if err != nil || len(table) != rows+1 || table[rows][0] != fmt.Sprint(rows-1) {
		t.Errorf("CSVWithNames: %d lines, %v", len(table), err)
	}
	for _, f := range []string{"TSV", "CSV", "JSONEachRow", "JSONCompactEachRow", "LineAsString"} {
		if got := strings.Count(run(t, e, query, "default_format", f), "\n"); got != rows {
			t.Errorf("%s: %d lines, want %d", f, got, rows)
		}
	}
	if got, want := len(run(t, e, query, "default_format", "RowBinary")), rows*8; got != want {
		t.Errorf("RowBinary: %d bytes, want %d", got, want)
	}
}

func TestStatementMayStandInURLInBodyOrInBoth(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a Int32, b String) ENGINE = MergeTree ORDER BY a")
	for _, c := range []struct{ url, body string }{
		{"INSERT INTO t FORMAT CSV", "1,one\n2,\"two;\"\n"},
		{"INSERT INTO t (b, a) VALUES", "('three', 3), ('''four''', 4)"},
		{"", "INSERT INTO t FORMAT JSONEachRow\n{\"a\": 5, \"b\": \"five\"}"},
		{"", "INSERT INTO t SETTINGS async_insert = 0 VALUES (6, 'six'), (7, upper('seven'))"},
		{"INSERT INTO t", "SELECT 8, 'eight'"},
		{"INSERT INTO t SELECT 9, {b:String}", ""},
		{"", "INSERT INTO t FORMAT CSV"},
	} {
		params := pairs("param_b", "nine")
		if c.url != "" {
			params.Set("query", c.url)
		}
		a, err := ask(t.Context(), e, params, strings.NewReader(c.body))
		if err != nil || a.status != http.StatusOK || a.body != "" {
			t.Errorf("%+v: status %d, %v, %q", c, a.status, err, a.body)
		}
	}
	want := "1\tone\n2\ttwo;\n3\tthree\n4\t\\'four\\'\n5\tfive\n6\tsix\n7\tSEVEN\n8\teight\n9\tnine\n"
	if diff := cmp.Diff(want, run(t, e, "FROM t ORDER BY a", "query", "SELECT *")); diff != "" {
		t.Errorf("rows, want - got +:\n%s", diff)
	}
}

func TestNothingOfASessionOutlivesItsRequest(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE DATABASE other")
	run(t, e, "CREATE TABLE other.there (x UInt8) ENGINE = Null")
	const look = "SELECT currentDatabase(), getSetting('max_threads') = 7"
	if got, want := run(t, e, look, "database", "other", "max_threads", "7"), "other\ttrue\n"; got != want && got != "other\t1\n" {
		t.Errorf("with database and setting: %q, want %q", got, want)
	}
	run(t, e, "USE other")
	run(t, e, "SET max_threads = 7")
	run(t, e, "CREATE TEMPORARY TABLE scratch (x UInt8)")
	if got, want := run(t, e, look), "default\t0\n"; got != want {
		t.Errorf("afterwards: %q, want %q", got, want)
	}
	if a, err := ask(t.Context(), e, nil, strings.NewReader("SELECT * FROM scratch")); err != nil || a.status != http.StatusNotFound {
		t.Errorf("temporary table of another request: status %d, %v", a.status, err)
	}
	if got := run(t, e, "SELECT getSetting('final')", "final", "1"); got != "1\n" && got != "true\n" {
		t.Errorf("boolean setting: %q", got)
	}
}

func TestParametersAreBoundNotPasted(t *testing.T) {
	e := chembedtest.StartEngine(t)
	got := run(t, e, "SELECT {s:String}, {n:Int64} + 1, {a:Array(String)} FORMAT TSVRaw",
		"param_s", `it's "x" \\ {y}; DROP TABLE t`, "param_n", "-41", "param_a", "['a','b\\'c']")
	if want := "it's \"x\" \\ {y}; DROP TABLE t\t-40\t['a','b\\'c']\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrorsCarryClickHousesCodeAndStatus(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")
	for _, c := range []struct {
		statement string
		params    []string
		code      string
		status    int
	}{
		{"SELECT * FROM nope", nil, "60", 404},
		{"SELECT nope", nil, "47", 404},
		{"SELEC 1", nil, "62", 400},
		{"SELECT 'open", nil, "62", 400},
		{"", nil, "62", 400},
		{"-- nothing", nil, "62", 400},
		{"SELECT 1; SELECT 2", nil, "62", 400},
		{"SELECT 1; DROP TABLE t", nil, "62", 400},
		{"DROP TABLE t; SELEC 1", nil, "62", 400},
		{"INSERT INTO t VALUES (1); (2)", nil, "62", 400},
		{"INSERT INTO t; DROP TABLE t", nil, "62", 400},
		{"INSERT INTO t VALUES (1); DROP TABLE t", nil, "62", 400},
		{"SELECT count() FROM numbers(1e12) WHERE NOT ignore(sipHash64(number))", []string{"max_execution_time", "0.3"}, "159", 408},
		{"SELECT 1", []string{"nope", "1"}, "115", 404},
		{"SELECT 1", []string{"max_threads", "x"}, "27", 400},
		{"SELECT 1", []string{"a'b", "1"}, "36", 400},
		{"SELECT 1", []string{"database", "nope"}, "81", 404},
		{"SELECT 1", []string{"default_format", "Nope"}, "73", 404},
		{"SELECT {x:UInt8}", nil, "456", 400},
		{"SELECT 1", []string{"session_id", "s"}, "48", 501},
		{"SELECT 1", []string{"compress", "1"}, "48", 501},
		{"SELECT 1 INTO OUTFILE '/tmp/leeward-never'", nil, "48", 501},
		{"INSERT INTO t FROM INFILE '/etc/hostname' FORMAT CSV", nil, "48", 501},
		{"INSERT INTO nope FORMAT CSV\n1", nil, "60", 404},
		{"INSERT INTO t FORMAT CSV\nx", nil, "117", 400},
		{"INSERT INTO t FORMAT Nope\nx", nil, "73", 404},
		{"SELECT throwIf(1)", nil, "395", 500},
	} {
		a, err := ask(t.Context(), e, pairs(c.params...), strings.NewReader(c.statement))
		if err != nil {
			t.Fatal(err)
		}
		if a.status != c.status || a.header.Get("X-ClickHouse-Exception-Code") != c.code || !strings.HasPrefix(a.body, "Code: "+c.code+". DB::") {
			t.Errorf("%q %v: status %d, code %s, %.200q; want %d and %s", c.statement, c.params, a.status,
				a.header.Get("X-ClickHouse-Exception-Code"), a.body, c.status, c.code)
		}
	}
	if got := run(t, e, "SELECT count() FROM t"); got != "0\n" {
		t.Errorf("refused statements left %q rows", got)
	}
}

func TestGetIsReadOnly(t *testing.T) {
	e := chembedtest.StartEngine(t)
	run(t, e, "CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")
	for query, want := range map[string]int{
		"SELECT 1":                        200,
		"SHOW TABLES":                     200,
		"DROP TABLE t":                    403,
		"INSERT INTO t VALUES (1)":        403,
		"INSERT INTO t SELECT 1":          403,
		"ALTER TABLE t ADD COLUMN b Int8": 403,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.Addr()+"/?"+pairs("query", query).Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-ClickHouse-User", "default")
		req.Header.Set("X-ClickHouse-Key", chembedtest.Token)
		a, err := do(req)
		if err != nil || a.status != want {
			t.Errorf("%s: status %d, %v, want %d: %.200s", query, a.status, err, want, a.body)
		}
	}
	if got := run(t, e, "SELECT count() FROM t"); got != "0\n" {
		t.Errorf("GET inserted %q rows", got)
	}
}

func TestQueryIDIsEchoed(t *testing.T) {
	e := chembedtest.StartEngine(t)
	a, err := ask(t.Context(), e, pairs("query_id", "mine"), strings.NewReader("SELECT 1"))
	if err != nil || a.header.Get("X-ClickHouse-Query-Id") != "mine" {
		t.Errorf("query id %q, %v", a.header.Get("X-ClickHouse-Query-Id"), err)
	}
}

// A result that breaks off must be an error to everyone: to curl a connection cut short, to the driver an exception.
func TestResultThatBreaksOffIsNeverWhole(t *testing.T) {
	e := chembedtest.StartEngine(t)
	const late = "SELECT number, throwIf(number = 400000, 'storm') FROM numbers(800000)"
	for _, f := range []string{"TSV", "CSV", "JSONEachRow", "RowBinary", "Native"} {
		a, err := ask(t.Context(), e, pairs("default_format", f), strings.NewReader(late))
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusOK || len(a.body) < 1_500_000 {
			t.Errorf("%s: status %d, %d bytes: it was to break off in the middle", f, a.status, len(a.body))
		}
		if !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: reading ended with %v, want an unexpected end", f, a.err)
		}
		tail := a.body[max(0, len(a.body)-1000):]
		if !strings.Contains(tail, "\r\n__exception__\r\n"+a.header.Get("X-ClickHouse-Exception-Tag")+"\r\nCode: 395.") || !strings.HasSuffix(tail, "__exception__\r\n") {
			t.Errorf("%s: no exception frame at the end: %q", f, tail)
		}
	}
	for _, params := range [][]string{{"default_format", "JSON"}, {"default_format", "Parquet"}, {"wait_end_of_query", "1"}} {
		a, err := ask(t.Context(), e, pairs(params...), strings.NewReader(late))
		if err != nil || a.status != http.StatusInternalServerError || a.header.Get("X-ClickHouse-Exception-Code") != "395" {
			t.Errorf("%v: status %d, %v, %.100q; want 500", params, a.status, err, a.body)
		}
	}
}
