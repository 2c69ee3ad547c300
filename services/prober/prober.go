// Package prober measures every endpoint of every app from one vantage, lands the samples on the bus and judges each region's health. It moves no traffic.
package prober

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/blackbox"
	"github.com/leeward-failover/leeward/services/prober/internal/command"
	"github.com/leeward-failover/leeward/services/prober/internal/command/prepare"
	"github.com/leeward-failover/leeward/services/prober/internal/confine"
	"github.com/leeward-failover/leeward/services/prober/internal/meter"
	"github.com/leeward-failover/leeward/services/prober/internal/outbox"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/spool"
	"github.com/leeward-failover/leeward/services/prober/internal/strain"
	"github.com/leeward-failover/leeward/services/prober/internal/vantage"
)

// Run runs the prober of one vantage until ctx ends. It leaves the process as it is.
func Run(ctx context.Context, proc daemon.Process) error {
	return run(ctx, proc, func(*probe.Kit) error { return nil })
}

// Confined is Run as a process of its own: it opens the sockets that need a capability, and gives up every capability before it measures anything.
func Confined(ctx context.Context, proc daemon.Process) error {
	return run(ctx, proc, func(kit *probe.Kit) error {
		if err := kit.Open(); err != nil {
			proc.Log.Warn().Err(err).Msg("ICMP is not measured")
		}
		err := confine.Drop()
		if errors.Is(err, confine.ErrBuild) {
			proc.Log.Warn().Msg(err.Error())
			return nil
		}
		return err
	})
}

func run(ctx context.Context, proc daemon.Process, confine func(*probe.Kit) error) error {
	c, err := readConfig(&env.Reader{Getenv: proc.Getenv})
	if err != nil {
		return err
	}
	log := proc.Log.With().Str("vantage", c.vantage).Logger()
	store, err := spool.Open(c.spoolDir, c.vantage, c.spoolBytes)
	if err != nil {
		return err
	}
	b, err := bus.Connect(bus.Options{URL: c.bus, Hub: c.hub, Seed: c.seed, Service: schemas.Prober, Vantage: c.vantage, Metrics: proc.Metrics, Log: log})
	if err != nil {
		return err
	}
	defer b.Close()
	// A probe leaves little behind that lives: with four times the usual pause between its collections, garbage costs a tenth of the processor less.
	if proc.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	kit := probe.NewKit(c.vantage, c.network, func(ref string) (string, error) { return env.Resolve(ref, proc.Getenv) })
	kit.Checks.Folder, kit.Checks.Path = c.checks, proc.Getenv("PATH")
	defer kit.Close(ctx)
	if err := confine(kit); err != nil {
		return err
	}
	boot := uint64(time.Now().UnixMicro())
	m := meter.New(proc.Metrics, c.vantage, store.State)
	out := &outbox.Outbox{Vantage: c.vantage, Boot: boot, Spool: store, Publish: b.PublishRaw, Meter: m, Log: log}
	busy := &strain.Strain{Changed: m.Strained}
	v := &vantage.Vantage{Name: c.vantage, Boot: boot, Bus: b, Start: kit.Start, Flush: kit.Flush, Strain: busy, Dial: c.network.DialContext, Emit: out.Add, Meter: m, Log: log}
	meter.Lags(proc.Metrics, c.vantage, v.Lags)
	cloudprober := prometheus.NewRegistry()
	cloudprober.MustRegister(m.Cloudprober())
	health := daemon.Health{Addr: c.healthAddr, Proc: proc, Ready: func() error { return errors.Join(b.Ready(), v.Ready()) },
		Also: map[string]http.Handler{"GET /probe": blackbox.Handler{Measure: kit.Measure}, "GET /metrics/cloudprober": promhttp.HandlerFor(cloudprober, promhttp.HandlerOpts{})}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { <-ctx.Done(); kit.Halt(); return nil })
	g.Go(func() error { return health.Run(ctx) })
	g.Go(func() error { return busy.Run(ctx) })
	// The outbox outlives the vantage, so that the last samples reach the spool.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return out.Run(sending) })
	g.Go(func() error { defer stop(); return v.Run(ctx) })
	return g.Wait()
}

// Commands are the prober's own commands.
func Commands() []*cobra.Command { return append(command.All(), prepare.Command()) }
