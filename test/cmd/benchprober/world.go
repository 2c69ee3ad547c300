package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/process"
)

const vantage = "london"

// world is the bus and the prober.
type world struct {
	dir, bin string
	busAddr  string
	bus      *process.Process
	gateway  *bus.Bus
	reader   *bus.Bus
	// done is the last message of the stream that was read.
	done uint64
	*targets
}

func (w *world) start(ctx context.Context) (err error) {
	if w.busAddr, err = process.FreeAddr(ctx); err != nil {
		return err
	}
	if w.bus, err = process.StartBus(ctx, w.dir, w.busAddr, true); err != nil {
		return err
	}
	setup, err := w.connect(schemas.Setup)
	if err != nil {
		return err
	}
	defer setup.Close()
	if err := setup.Create(ctx, []string{vantage}); err != nil {
		return err
	}
	if w.gateway, err = w.connect(schemas.Gateway); err != nil {
		return err
	}
	if w.reader, err = w.connect(schemas.Recorder); err != nil {
		return err
	}
	w.targets, err = listen(w.dir)
	return err
}

func (w *world) connect(s schemas.Service) (*bus.Bus, error) {
	return bus.Connect(bus.Options{URL: "nats://" + w.busAddr, Seed: w.seed(s, ""), Service: s, Log: zerolog.Nop()})
}

func (w *world) seed(s schemas.Service, vantage string) string {
	return natsd.SeedFile(filepath.Join(w.dir, "keys"), schemas.UserName(s, vantage))
}

// prober starts a prober on one processor.
func (w *world) prober(ctx context.Context, name string) (*process.Process, error) {
	health, err := process.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	return process.Start(w.dir, "prober", map[string]string{
		"GOMAXPROCS": "1", "LEEWARD_NATS_URL": "nats://" + w.busAddr, "LEEWARD_NATS_SEED": w.seed(schemas.Prober, vantage), "LEEWARD_VANTAGE": vantage,
		"LEEWARD_HEALTH_ADDR": health, "LEEWARD_SPOOL_DIR": filepath.Join(w.dir, "spool-"+name), "SSL_CERT_FILE": w.ca,
		"LEEWARD_PROBE_ALLOW": "127.0.0.0/8", "LEEWARD_PROBE_RATE": "0",
	}, filepath.Join(w.bin, "prober"))
}

// The targets are spread over regions and apps, so that a verdict and an app's configuration are of a bearable size.
const regions, perApp = 50, 5_000

// apply has n targets measured once in an interval.
func (w *world) apply(ctx context.Context, n int, interval time.Duration, endpoint func(i int) schemas.Endpoint, also ...string) error {
	t := schemas.Topology{Version: 1, Vantages: []schemas.Vantage{{Name: vantage}}}
	for r := range regions {
		t.Regions = append(t.Regions, schemas.Region{Name: fmt.Sprintf("r%d", r)})
	}
	for i := range n {
		if i%perApp == 0 {
			t.Apps = append(t.Apps, schemas.App{Name: fmt.Sprintf("app%d", i/perApp), Objective: schemas.Objective{Kind: "tcp"},
				Probe: schemas.Probe{Interval: schemas.Duration(interval), Timeout: schemas.Duration(time.Second), DownAfter: 3, UpAfter: 2, Also: also}})
		}
		e := endpoint(i)
		e.Region, e.Variant = fmt.Sprintf("r%d", i%regions), fmt.Sprintf("v%d", i%perApp/regions)
		app := &t.Apps[len(t.Apps)-1]
		app.Endpoints = append(app.Endpoints, e)
	}
	for _, part := range t.Parts("bench", time.Now()) {
		if _, err := bus.Put(ctx, w.gateway, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) stop() {
	for _, b := range []*bus.Bus{w.gateway, w.reader} {
		if b != nil {
			b.Close()
		}
	}
	if w.bus != nil {
		w.bus.Stop()
	}
}
