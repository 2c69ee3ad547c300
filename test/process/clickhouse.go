package process

import (
	"context"
	"net/url"
	"path/filepath"

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
