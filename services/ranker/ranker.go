// Package ranker ranks each app's candidates, region and variant, by what was measured of them, and says which of them a failover may choose.
// It decides no failover.
package ranker

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/command"
	"github.com/leeward-failover/leeward/services/ranker/internal/refresh"
)

// Run ranks until ctx ends.
func Run(ctx context.Context, proc daemon.Process) error {
	cfg, err := readConfig(&env.Reader{Getenv: proc.Getenv})
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	b, err := bus.Connect(bus.Options{URL: cfg.natsURL, Seed: cfg.natsSeed, Service: schemas.Ranker, Metrics: proc.Metrics, Log: proc.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	db, err := clickhouse.Open(cfg.clickhouseDSN)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	mirrors := refresh.NewMirrors(b)
	loop := &refresh.Loop{Interval: cfg.interval, Mirrors: mirrors, DB: db, Bus: b, Metrics: refresh.NewMetrics(proc.Metrics), Log: proc.Log}
	ready := func() error { return errors.Join(b.Ready(), mirrors.Ready(), loop.Ready()) }

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return mirrors.Run(ctx) })
	g.Go(func() error { return loop.Run(ctx) })
	g.Go(func() error { return daemon.Health{Addr: cfg.healthAddr, Ready: ready, Proc: proc}.Run(ctx) })
	return g.Wait()
}

// Commands returns the ranker's part of the CLI. Rankings are read through the gateway.
func Commands() []*cobra.Command { return command.All() }

// Past gives the command that shows the ranking of now a flag with which it computes one of the past again.
func Past(cmd *cobra.Command, show command.Show) { command.Past(cmd, show) }
