package process

import (
	"context"
	"net/url"
	"path/filepath"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// token is the password of the engine, which nobody else can reach.
const token = "bench"

// Engine is the embedded ClickHouse as a process of its own.
type Engine struct {
	*Process
	// DSN is how to reach it.
	DSN string
}

// StartEngine starts `leeward serve clickhouse` from a folder of binaries, with the engine's library, and opens it. The caller closes the database, then stops the engine.
func StartEngine(ctx context.Context, dir, bin, library string) (*Engine, *clickhouse.DB, error) {
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, nil, err
	}
	dsn := url.URL{Scheme: "http", User: url.UserPassword("leeward", token), Host: addr, Path: "/default"}
	db, err := clickhouse.Open(dsn.String())
	if err != nil {
		return nil, nil, err
	}
	e := &Engine{DSN: dsn.String()}
	e.Process, err = Start(dir, "clickhouse", map[string]string{
		"LEEWARD_CLICKHOUSE_ADDR": addr, "LEEWARD_CLICKHOUSE_STORE": filepath.Join(dir, "clickhouse"), "LEEWARD_LIBCHDB": library,
		"LEEWARD_CLICKHOUSE_TOKEN": "env:BENCH_TOKEN", "BENCH_TOKEN": token,
	}, filepath.Join(bin, "leeward"), "serve", "clickhouse")
	if err != nil {
		return nil, nil, err
	}
	return e, db, Until(ctx, "ClickHouse", func() error { return db.Ready(ctx) })
}

// StoredSamples is how many rows of samples there are; it looks at the parts only, which costs next to nothing.
func StoredSamples(ctx context.Context, db *clickhouse.DB) (n uint64, err error) {
	err = db.QueryRow(ctx, "SELECT toUInt64(sum(rows)) FROM system.parts WHERE database = currentDatabase() AND table = 'samples' AND active").Scan(&n)
	return n, err
}

// Settle waits until the engine has merged what it wants to merge, no longer than told.
func Settle(ctx context.Context, db *clickhouse.DB, longest time.Duration) error {
	deadline := time.Now().Add(longest)
	for quiet := 0; quiet < 3 && time.Now().Before(deadline); {
		var merges uint64
		if err := db.QueryRow(ctx, "SELECT count() FROM system.merges").Scan(&merges); err != nil {
			return err
		}
		if quiet++; merges > 0 {
			quiet = 0
		}
		if err := Pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
