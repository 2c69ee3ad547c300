// Package gateway is the one door from outside: it authenticates, normalises and stores webhooks, and serves the HTTP API and the web console through which people read and write.
// It decides nothing about builds, rankings or failovers.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/git"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/api"
	"github.com/leeward-failover/leeward/services/gateway/internal/command"
	"github.com/leeward-failover/leeward/services/gateway/internal/console"
	"github.com/leeward-failover/leeward/services/gateway/internal/hook"
	"github.com/leeward-failover/leeward/services/gateway/internal/reconcile"
	"github.com/leeward-failover/leeward/services/gateway/internal/state"
)

// Run serves webhooks and the API until ctx ends.
func Run(ctx context.Context, proc daemon.Process) error {
	cfg, err := readConfig(&env.Reader{Getenv: proc.Getenv})
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.apiAddr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	b, err := bus.Connect(bus.Options{URL: cfg.natsURL, Seed: cfg.natsSeed, Service: schemas.Gateway, Metrics: proc.Metrics, Log: proc.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	live := state.New(b)
	ready := func() error { return errors.Join(b.Ready(), live.Ready()) }
	pushes := reconcile.Pushes{
		Bus: b, Topologies: live.Topology, Resolve: oci.Resolve, Head: git.Head, Getenv: proc.Getenv, Every: cfg.reconcileEvery, Log: proc.Log,
	}
	hooks := hook.Hooks{
		Topology: live.CurrentTopology, Resolve: oci.Resolve, Log: proc.Log, Count: hook.Metrics(proc.Metrics),
		Secrets: cfg.secrets, Seen: &hook.Seen{},
		Pushed: func(ctx context.Context, e schemas.ImagePushed) error {
			return bus.Publish(ctx, b, schemas.ImagePushedTopic, e)
		},
		SourcePushed: func(ctx context.Context, e schemas.SourcePushed) error {
			return bus.Publish(ctx, b, schemas.SourcePushedTopic, e)
		},
		Alerted: func(ctx context.Context, e schemas.AlertReceived) error {
			return bus.Publish(ctx, b, schemas.AlertReceivedTopic, e)
		},
	}
	server := api.Server{
		Bus: b, State: live, Token: cfg.apiToken, Simulated: cfg.simulated, Hooks: hooks, Ready: ready, Log: proc.Log, Ping: oci.Ping, Started: time.Now(), Examined: &api.Examined{},
	}
	pages := console.New(console.Console{
		Bus: b, State: live, Ready: ready, Token: cfg.apiToken, Simulated: cfg.simulated, Log: proc.Log, Preview: server.Preview,
		Ask: func(ctx context.Context, e schemas.FailoverRequested) error {
			return bus.Publish(ctx, b, schemas.FailoverRequestedTopic, e)
		},
	})
	server.Console = pages

	proc.Log.Info().Str("address", listener.Addr().String()).Msg("API served")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return live.Run(ctx) })
	g.Go(func() error { return pushes.Run(ctx) })
	g.Go(func() error { return pages.Run(ctx) })
	g.Go(func() error { return daemon.Health{Addr: cfg.healthAddr, Ready: ready, Proc: proc}.Run(ctx) })
	g.Go(func() error { return daemon.Serve(ctx, listener, server.Handler()) })
	return g.Wait()
}

// Commands returns the part of the CLI that speaks to the gateway.
func Commands() []*cobra.Command { return command.All() }

// ShowRanking prints a ranking as the command rank does.
func ShowRanking(w io.Writer, r schemas.Ranking, output string) error {
	return command.ShowRanking(w, r, output)
}
