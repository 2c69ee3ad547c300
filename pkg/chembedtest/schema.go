package chembedtest

import (
	"io/fs"
	"testing"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Migrated opens the database behind a DSN until the test ends, with the schema of this release.
func Migrated(tb testing.TB, dsn string) *clickhouse.DB {
	tb.Helper()
	db, err := clickhouse.Open(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	files, err := fs.Sub(schemas.Migrations, "clickhouse")
	if err != nil {
		tb.Fatal(err)
	}
	if err := db.Migrate(tb.Context(), files); err != nil {
		tb.Fatal(err)
	}
	return db
}
