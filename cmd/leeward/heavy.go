//go:build !scratch

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/leeward-failover/leeward/pkg/chembed"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/services/builder"
)

// heavy is what the image of the CLI is built without, by the tag scratch: the builder, which is half of this program and has an image of its own, the embedded
// ClickHouse, which needs a C library at run time, and the bus and the simulated regions, which containers have from elsewhere.
func heavy() map[string]daemon.Run {
	return map[string]daemon.Run{"builder": builder.Run, "clickhouse": serveClickHouse, "nats": serveNATS, "loopback": serveLoopback}
}

func serveClickHouse(ctx context.Context, proc daemon.Process) error {
	r := &env.Reader{Getenv: proc.Getenv}
	o := chembed.Options{Addr: r.String("LEEWARD_CLICKHOUSE_ADDR", "127.0.0.1:8123"), Dir: r.Required("LEEWARD_CLICKHOUSE_STORE"), Token: r.Secret("LEEWARD_CLICKHOUSE_TOKEN"), Log: proc.Log}
	if err := r.Err(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	library, err := locate(ctx)
	if err != nil {
		return err
	}
	o.Library = library
	return chembed.Serve(ctx, o)
}

// locate finds the engine's library, or fetches it, with its progress on standard error.
func locate(ctx context.Context) (string, error) {
	return chembed.Locate(ctx, chembed.Source{File: os.Getenv("LEEWARD_LIBCHDB"), Progress: os.Stderr})
}
