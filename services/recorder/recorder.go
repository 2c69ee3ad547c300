// Package recorder lands samples, rankings and events in ClickHouse exactly once. It is the only writer of ClickHouse; it decides nothing, and nobody waits for it.
package recorder

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/partition"
	"github.com/leeward-failover/leeward/services/recorder/internal/schema"
)

// Run records until ctx ends or another recorder takes a partition over.
func Run(ctx context.Context, proc daemon.Process) error {
	cfg, err := readConfig(&env.Reader{Getenv: proc.Getenv})
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	db, err := clickhouse.Open(cfg.clickhouseDSN)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	b, err := bus.Connect(bus.Options{URL: cfg.natsURL, Seed: cfg.natsSeed, Service: schemas.Recorder, Metrics: proc.Metrics, Log: proc.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	tables := &schema.Migration{DB: db, Log: proc.Log}
	writers := partition.All(partition.Writer{
		Bus: b, Insert: db.Insert, Owner: uuid.NewString(), Metrics: partition.NewMetrics(proc.Metrics), Log: proc.Log,
		FlushInterval: cfg.flushInterval, FlushRows: cfg.flushRows,
	})
	ready := func() error {
		problems := []error{b.Ready(), tables.Ready()}
		for _, w := range writers {
			problems = append(problems, w.Ready())
		}
		return errors.Join(problems...)
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return daemon.Health{Addr: cfg.healthAddr, Ready: ready, Proc: proc}.Run(ctx) })
	g.Go(func() error {
		// Nothing is read from the bus before there is a place to put it.
		if err := tables.Run(ctx); err != nil {
			return err
		}
		for _, w := range writers {
			g.Go(func() error { return w.Run(ctx) })
		}
		return nil
	})
	return g.Wait()
}

// Commands is empty: the recorder has no part in the CLI.
func Commands() []*cobra.Command { return nil }
