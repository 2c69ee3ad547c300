package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/datapath"
	"github.com/leeward-failover/leeward/test/process"
)

// world is the processes that are measured.
type world struct {
	dir, bin, library string

	busAddr, healthAddr string
	nats, recorder      *process.Process
	engine              *process.Engine
	db                  *clickhouse.DB
	// rss is the most memory that any recorder had, in bytes.
	rss uint64
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
	if err := w.startBus(ctx, true); err != nil {
		return err
	}
	b, err := bus.Connect(bus.Options{URL: w.busURL(), Seed: w.seed(schemas.Setup, ""), Service: schemas.Setup, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Create(ctx, datapath.Names())
}

func (w *world) busURL() string { return "nats://" + w.busAddr }

func (w *world) seed(s schemas.Service, vantage string) string {
	return natsd.SeedFile(filepath.Join(w.dir, "keys"), schemas.UserName(s, vantage))
}

// startBus starts NATS, which syncs every write unless that is what is measured.
func (w *world) startBus(ctx context.Context, synced bool) (err error) {
	w.nats, err = process.StartBus(ctx, w.dir, w.busAddr, synced)
	return err
}

// startRecorder starts the recorder and returns when it has written something of every partition.
func (w *world) startRecorder(ctx context.Context) (err error) {
	w.recorder, err = process.Start(w.dir, "recorder", map[string]string{
		"LEEWARD_NATS_URL": w.busURL(), "LEEWARD_NATS_SEED": w.seed(schemas.Recorder, ""), "LEEWARD_CLICKHOUSE_DSN": w.engine.DSN, "LEEWARD_HEALTH_ADDR": w.healthAddr,
	}, filepath.Join(w.bin, "recorder"))
	if err != nil {
		return err
	}
	if err := process.Until(ctx, "recorder", func() error { return w.get(ctx, "/readyz") }); err != nil {
		return err
	}
	boot := uint64(time.Now().UnixMicro())
	load, err := datapath.Make(time.Now().Add(-time.Second), time.Second, boot)
	if err != nil {
		return err
	}
	if _, err := w.publish(ctx, load); err != nil {
		return err
	}
	return process.Until(ctx, "the first rows", func() error {
		n, err := w.count(ctx, load)
		if err == nil && n != uint64(load.Rows) {
			err = fmt.Errorf("%d of %d rows", n, load.Rows)
		}
		return err
	})
}

func (w *world) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.healthAddr+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func (w *world) stopRecorder() {
	if w.recorder != nil {
		w.rss = max(w.rss, w.recorder.Peak())
		w.recorder.Stop()
		w.recorder = nil
	}
}

func (w *world) stopBus() {
	if w.nats != nil {
		w.nats.Stop()
		w.nats = nil
	}
}

func (w *world) stop() {
	w.stopRecorder()
	w.stopBus()
	if w.db != nil {
		_ = w.db.Close()
	}
	if w.engine != nil {
		w.engine.Stop()
	}
}

// sync turns the syncing of every write on or off, in the bus and in the tables that samples go to. The recorder does not run then.
func (w *world) sync(ctx context.Context, on bool) error {
	w.stopBus()
	setting := "fsync_after_insert = 0, fsync_part_directory = 0"
	if on {
		setting = "fsync_after_insert = 1, fsync_part_directory = 1"
	}
	tables, err := w.names(ctx, "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'samples%' AND engine LIKE '%MergeTree'")
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := w.db.Exec(ctx, "ALTER TABLE "+t+" MODIFY SETTING "+setting); err != nil {
			return err
		}
	}
	return w.startBus(ctx, on)
}

func (w *world) names(ctx context.Context, query string) (names []string, err error) {
	rows, err := w.db.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func (w *world) number(ctx context.Context, query string, args ...any) (n uint64, err error) {
	err = w.db.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// within is a load's rows in a WHERE: its boot, and its due times so that nothing else is read.
func within(l datapath.Load) string {
	return fmt.Sprintf("boot = %d AND due >= fromUnixTimestamp64Milli(%d, 'UTC') AND due <= fromUnixTimestamp64Milli(%d, 'UTC')", l.Boot, l.From.Add(-time.Second).UnixMilli(), l.To.UnixMilli())
}

func (w *world) count(ctx context.Context, l datapath.Load) (uint64, error) {
	return w.number(ctx, "SELECT count() FROM samples WHERE "+within(l))
}

// settle waits until the engine has merged what it wants to merge.
func (w *world) settle(ctx context.Context) error { return process.Settle(ctx, w.db, 40*time.Second) }
