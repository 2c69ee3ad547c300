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
	"github.com/leeward-failover/leeward/services/recorder/internal/share"
)

// Run records its share of the partitions until ctx ends.
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
	tables := &schema.Migration{DB: db, Retention: cfg.retention, Log: proc.Log}
	domains, err := openDomains(b, cfg.domains)
	if err != nil {
		return err
	}
	me := uuid.NewString()
	writers := partition.All(partition.Writer{
		Bus: b, Insert: db.Insert, Number: number(db), Exec: func(ctx context.Context, statement string) error { return db.Exec(ctx, statement) }, Owner: me, Metrics: partition.NewMetrics(proc.Metrics), Log: proc.Log,
		FlushInterval: cfg.flushInterval, FlushRows: cfg.flushRows, Grace: cfg.lease / 4, Unsafe: cfg.unsafe,
	}, cfg.retention["samples"], domains...)
	leases := bus.NewMirror(b, schemas.ShareBucket)
	mine := share.Share{Bus: b, Leases: leases, Member: me, TTL: cfg.lease, Log: proc.Log}
	for _, w := range writers {
		mine.Partitions = append(mine.Partitions, share.Partition{Name: w.Name, Run: w.Run})
	}
	ready := func() error {
		problems := []error{b.Ready(), tables.Ready()}
		for _, w := range writers {
			problems = append(problems, w.Ready())
		}
		return errors.Join(problems...)
	}

	if cfg.unsafe != (partition.Unsafe{}) {
		proc.Log.Warn().Interface("without", cfg.unsafe).Msg("guards left out: samples can be lost or doubled")
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return daemon.Health{Addr: cfg.healthAddr, Ready: ready, Proc: proc}.Run(ctx) })
	g.Go(func() error {
		// Nothing is read from the bus before there is a place to put it.
		if err := tables.Run(ctx); err != nil {
			return err
		}
		if cfg.unsafe.Fence {
			for _, w := range writers {
				g.Go(func() error { return w.Run(ctx, func() bool { return true }) })
			}
			return nil
		}
		return mine.Run(ctx)
	})
	g.Go(func() error { return leases.Run(ctx) })
	return g.Wait()
}

func number(db *clickhouse.DB) func(context.Context, string) (uint64, error) {
	return func(ctx context.Context, query string) (n uint64, err error) {
		err = db.QueryRow(ctx, query).Scan(&n)
		return n, err
	}
}

// openDomains returns the hub and the regions' own domains.
func openDomains(b *bus.Bus, names []string) ([]partition.Domain, error) {
	var domains []partition.Domain
	for _, name := range append([]string{""}, names...) {
		d, err := b.In(name)
		if err != nil {
			return nil, err
		}
		domains = append(domains, partition.Domain{Name: name, Domain: d})
	}
	return domains, nil
}

// Commands is empty: the recorder has no part in the CLI.
func Commands() []*cobra.Command { return nil }
