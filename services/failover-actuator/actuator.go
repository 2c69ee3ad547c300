// Package actuator is the failover-actuator: it decides whether an app's traffic has to move, moves it under a lease and an epoch, verifies it from outside
// and rolls back what did not come true. All it decides from is mirrored from the bus; it never asks ClickHouse.
package actuator

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/pilot"
)

// Run runs the service until ctx ends.
func Run(ctx context.Context, proc daemon.Process) error {
	c, err := readConfig(&env.Reader{Getenv: proc.Getenv})
	if err != nil {
		return err
	}
	b, err := bus.Connect(bus.Options{URL: c.bus, Seed: c.seed, Service: schemas.Actuator, Metrics: proc.Metrics, Log: proc.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	mirrors := pilot.NewMirrors(b)
	f := newFleet(c, b, mirrors, proc)
	ready := func() error { return errors.Join(b.Ready(), mirrors.Ready(), f.Ready()) }
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return mirrors.Run(ctx) })
	g.Go(func() error { return f.Run(ctx) })
	g.Go(func() error { return daemon.Health{Addr: c.health, Ready: ready, Proc: proc}.Run(ctx) })
	return g.Wait()
}

// Commands are the service's commands of the CLI.
func Commands() []*cobra.Command { return nil }
