package clickhouse_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

func TestReadOnlyQueriesChangeNothing(t *testing.T) {
	db, err := clickhouse.Open(chembedtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx := clickhouse.ReadOnly(t.Context())
	var out bytes.Buffer
	if err := db.QueryFormat(ctx, &out, "CSV", "SELECT 6 * 7"); err != nil || strings.TrimSpace(out.String()) != "42" {
		t.Fatalf("a query gives %q, %v", out.String(), err)
	}
	const readOnly = 164
	for _, statement := range []string{
		"CREATE TABLE t (a UInt8) ENGINE = Memory", "DROP DATABASE default", "INSERT INTO FUNCTION null('a UInt8') SELECT 1", "SET max_threads = 1",
	} {
		if err := db.QueryFormat(ctx, &out, "CSV", statement); clickhouse.Code(err) != readOnly {
			t.Errorf("%s = %v, want code %d", statement, err, readOnly)
		}
	}
}

func TestMessageIsWhatClickHouseSaidOnce(t *testing.T) {
	db, err := clickhouse.Open(chembedtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var out bytes.Buffer
	for _, c := range [][3]string{
		{"NoSuch", "SELECT 1", "Unknown format NoSuch. (UNKNOWN_FORMAT)"},
		{"CSV", "SET max_threads = 1", "Cannot modify 'max_threads' setting in readonly mode. (READONLY)"},
	} {
		err := db.QueryFormat(clickhouse.ReadOnly(t.Context()), &out, c[0], c[1])
		if got := clickhouse.Message(err); got != c[2] {
			t.Errorf("%s: %q, want %q", c[1], got, c[2])
		}
	}
	if got := clickhouse.Message(errors.New("x")); got != "" {
		t.Errorf("another's error has the message %q", got)
	}
}
