package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/process"
)

// world is the processes that are measured.
type world struct {
	dir, bin, library   string
	busAddr, healthAddr string
	nats, ranker        *process.Process
	engine              *process.Engine
	db                  *clickhouse.DB
	// setup sees every stream.
	setup *bus.Bus
}

func (w *world) start(ctx context.Context) (err error) {
	for _, addr := range []*string{&w.busAddr, &w.healthAddr} {
		if *addr, err = process.FreeAddr(ctx); err != nil {
			return err
		}
	}
	if w.engine, w.db, err = process.StartEngine(ctx, w.dir, w.bin, w.library); err != nil {
		return err
	}
	files, err := fs.Sub(schemas.Migrations, "clickhouse")
	if err != nil {
		return err
	}
	return w.db.Migrate(ctx, files)
}

func (w *world) stop() {
	w.stopRanker()
	w.stopBus()
	if w.db != nil {
		_ = w.db.Close()
	}
	if w.engine != nil {
		w.engine.Stop()
	}
}

func (w *world) connect(s schemas.Service, vantage string) (*bus.Bus, error) {
	return bus.Connect(bus.Options{URL: "nats://" + w.busAddr, Seed: natsd.SeedFile(filepath.Join(w.dir, "keys"), schemas.UserName(s, vantage)), Service: s, Vantage: vantage, Log: zerolog.Nop()})
}

// startBus starts a bus that holds nothing but a healthy world. It is filled without syncing, and then started again as it runs elsewhere.
func (w *world) startBus(ctx context.Context, t schemas.Topology) (err error) {
	w.stopBus()
	if err := os.RemoveAll(filepath.Join(w.dir, "nats")); err != nil {
		return err
	}
	if w.nats, err = process.StartBus(ctx, w.dir, w.busAddr, false); err != nil {
		return err
	}
	if w.setup, err = w.connect(schemas.Setup, ""); err != nil {
		return err
	}
	if err := w.setup.Create(ctx, names(vantages, vantageName)); err != nil {
		return err
	}
	if err := w.fill(ctx, t); err != nil {
		return err
	}
	w.nats.Stop()
	w.nats, err = process.StartBus(ctx, w.dir, w.busAddr, true)
	return err
}

func (w *world) stopBus() {
	if w.setup != nil {
		w.setup.Close()
		w.setup = nil
	}
	if w.nats != nil {
		w.nats.Stop()
		w.nats = nil
	}
}

func (w *world) startRanker(interval time.Duration, dsn string) (err error) {
	w.ranker, err = process.Start(w.dir, "ranker", map[string]string{
		"LEEWARD_NATS_URL": "nats://" + w.busAddr, "LEEWARD_NATS_SEED": natsd.SeedFile(filepath.Join(w.dir, "keys"), schemas.UserName(schemas.Ranker, "")),
		"LEEWARD_CLICKHOUSE_DSN": "env:BENCH_DSN", "BENCH_DSN": dsn, "LEEWARD_RANK_INTERVAL": interval.String(), "LEEWARD_HEALTH_ADDR": w.healthAddr,
	}, filepath.Join(w.bin, "ranker"))
	return err
}

func (w *world) stopRanker() {
	if w.ranker != nil {
		w.ranker.Stop()
		w.ranker = nil
	}
}

// ask returns what the ranker answers under a path, and whether that is well.
func (w *world) ask(ctx context.Context, path string) (body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.healthAddr+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(data)))
	}
	return string(data), err
}

// counters are what the ranker counts of its refreshes.
type counters struct{ ranked, failed float64 }

func (w *world) counters(ctx context.Context) (c counters, err error) {
	text, err := w.ask(ctx, "/metrics")
	if err != nil {
		return c, err
	}
	for name, value := range map[string]*float64{"leeward_ranker_refresh_seconds_count": &c.ranked, "leeward_ranker_refresh_failures_total": &c.failed} {
		_, rest, found := strings.Cut(text, "\n"+name+" ")
		line, _, _ := strings.Cut(rest, "\n")
		if !found {
			return c, fmt.Errorf("the ranker's metrics lack %s", name)
		}
		if *value, err = strconv.ParseFloat(line, 64); err != nil {
			return c, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

func (w *world) number(ctx context.Context, query string, args ...any) (n uint64, err error) {
	err = w.db.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}
