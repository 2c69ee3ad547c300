package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/runtime"
	"github.com/leeward-failover/leeward/test/world/site"
)

func runtimeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "runtime", Hidden: true, Args: cobra.NoArgs, Short: "Run the app's containers of a region (supervise starts it)"}
	state := stateFlag(cmd)
	at := busFlags(cmd)
	name := cmd.Flags().String("region", "", "the region")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		folder, err := state()
		if err != nil {
			return err
		}
		region, err := site.Region(*name)
		if err != nil {
			return err
		}
		primary, err := world.ReadSecret(folder.ShopURL(site.Primary().Name))
		if err != nil {
			return err
		}
		own, err := world.ReadSecret(folder.ShopURL(region.Name))
		if err != nil {
			return err
		}
		log := zerolog.New(os.Stderr).With().Timestamp().Str("region", region.Name).Logger()
		r := runtime.Runtime{
			Region:          region,
			Scratch:         filepath.Join(world.Scratch, region.Name),
			Logs:            folder.Logs(),
			Cgroup:          world.AppCgroup,
			DatabaseURL:     primary,
			DatabaseReadURL: own,
			Log:             log,
		}
		states := make(chan schemas.ImageState)
		g, ctx := errgroup.WithContext(cmd.Context())
		g.Go(func() error { return r.Run(ctx, states) })
		g.Go(func() error { return follow(ctx, *at, region.Name, log, states) })
		if err := g.Wait(); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	return cmd
}

// follow follows the bus once Leeward has made the key to it; the world may well be up first.
func follow(ctx context.Context, at world.Bus, region string, log zerolog.Logger, states chan<- schemas.ImageState) error {
	for {
		if _, err := os.Stat(at.NKey); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	b, err := bus.Connect(bus.Options{URL: at.URL, Seed: at.NKey, Service: schemas.Runtime, Log: log})
	if err != nil {
		return err
	}
	defer b.Close()
	return runtime.Follow(ctx, b, region, states)
}
