package clickhouse_test

import (
	"bytes"
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
