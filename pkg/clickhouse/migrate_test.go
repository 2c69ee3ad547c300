package clickhouse_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

func files(pairs ...string) fstest.MapFS {
	fs := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fs[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fs
}

var schema = files(
	"0001_samples.sql", "-- one; two\nCREATE TABLE a (x UInt8 COMMENT 'not; here') ENGINE = MergeTree ORDER BY x;\nCREATE TABLE b AS a;\n",
	"0002_more.sql", "ALTER TABLE a ADD COLUMN y UInt8;",
	"README.md", "not a migration")

func TestMigrateAppliesEachFileOnceUnderConcurrentStarts(t *testing.T) {
	dsn := chembedtest.Start(t)
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			db, err := clickhouse.Open(dsn)
			if err != nil {
				return err
			}
			defer db.Close()
			return db.Migrate(t.Context(), schema) // ADD COLUMN without IF NOT EXISTS: a second run would fail
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	db, err := clickhouse.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := number(t, db, "SELECT count() FROM schema_migrations"); got != 2 {
		t.Errorf("recorded %d migrations, want 2", got)
	}
	if got := number(t, db, "SELECT count() FROM system.tables WHERE name LIKE 'schema_lock_%' AND comment = 'released'"); got != 1 {
		t.Errorf("%d released locks are left, want 1", got)
	}
}

func TestMigrateRefusesNewerAndChangedSchemas(t *testing.T) {
	db := open(t)
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	older := files("0001_samples.sql", string(schema["0001_samples.sql"].Data))
	if err := db.Migrate(t.Context(), older); !errors.Is(err, clickhouse.ErrNewer) {
		t.Errorf("older release: %v, want ErrNewer", err)
	}
	changed := files("0001_samples.sql", "SELECT 1", "0002_more.sql", "SELECT 2")
	if err := db.Migrate(t.Context(), changed); err == nil || !strings.Contains(err.Error(), "0001_samples.sql changed after") {
		t.Errorf("changed file: %v, want an error that names it", err)
	}
}

func TestMigrateGoesOnWhereItBrokeOff(t *testing.T) {
	db := open(t)
	broken := files("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Null; CREATE TABLE b (x Nope) ENGINE = Null")
	err := db.Migrate(t.Context(), broken)
	if clickhouse.Code(err) != 50 || !strings.Contains(err.Error(), "0001_a.sql: statement 2") {
		t.Fatalf("broken file: %v, want code 50 and the statement", err)
	}
	mended := files("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = Null; CREATE TABLE b (x Int8) ENGINE = Null")
	if err := db.Migrate(t.Context(), mended); err != nil { // at once: the lock was given back
		t.Errorf("mended file: %v", err)
	}
}

func TestMigrateWaitsForAHeldLockAndTakesAnAbandonedOne(t *testing.T) {
	db := open(t)
	exec(t, db, "CREATE TABLE schema_lock_7 (x UInt8) ENGINE = MergeTree ORDER BY x COMMENT 'held until 99999999999'")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := db.Migrate(ctx, schema); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("held lock: %v, want it to wait to the end", err)
	}
	if got := number(t, db, "SELECT count() FROM system.tables WHERE database = 'default' AND name = 'a'"); got != 0 {
		t.Error("a migration ran without the lock")
	}
	exec(t, db, "ALTER TABLE schema_lock_7 MODIFY COMMENT 'held until 1000'")
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Errorf("abandoned lock: %v", err)
	}
}

func TestMigrateRefusesUnclearFiles(t *testing.T) {
	db, err := clickhouse.Open("http://127.0.0.1:1") // nothing of this reaches a server
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, fs := range map[string]fstest.MapFS{
		"none":           files("README.md", ""),
		"no number":      files("samples.sql", "SELECT 1"),
		"one number two": files("0001_a.sql", "SELECT 1", "0001_b.sql", "SELECT 1"),
	} {
		if err := db.Migrate(t.Context(), fs); err == nil || clickhouse.Retryable(err) {
			t.Errorf("%s: %v, want an error that no retry mends", name, err)
		}
	}
}
