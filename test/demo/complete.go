package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
)

// serves says whether an endpoint answers from a container of a digest.
func serves(ctx context.Context, e schemas.Endpoint, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.HTTP, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if got := resp.Header.Get("X-Leeward-Image"); resp.StatusCode != http.StatusOK || got != digest {
		return fmt.Errorf("%s answers %s from image %q, want %s", e.Candidate(), resp.Status, got, digest)
	}
	return nil
}

// recorderBus connects with the recorder's rights, which may read the streams and write nothing but the recorder's intents.
func (d *demo) recorderBus() (*bus.Bus, error) {
	return bus.Connect(bus.Options{URL: "nats://" + d.Bus, Seed: natsd.SeedFile(filepath.Join(d.Leeward, "keys"), string(schemas.Recorder)), Service: schemas.Recorder, Log: zerolog.Nop()})
}

// clickhouse connects to ClickHouse.
func (d *demo) clickhouse() (*clickhouse.DB, error) {
	dsn, err := os.ReadFile(filepath.Join(d.Leeward, "clickhouse-dsn"))
	if err != nil {
		return nil, err
	}
	return clickhouse.Open(strings.TrimSpace(string(dsn)))
}

// complete compares what the bus has acknowledged with what ClickHouse holds: every sample and every event up to now, once.
func (d *demo) complete(ctx context.Context) error {
	b, err := d.recorderBus()
	if err != nil {
		return err
	}
	defer b.Close()
	db, err := d.clickhouse()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	samples, last, err := acknowledged(ctx, b, schemas.Samples, func(m bus.Message) (uint64, error) {
		batch, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return 0, err
		}
		return uint64(batch.Len()), nil
	})
	if err != nil {
		return err
	}
	if err := holds(ctx, db, samples, fmt.Sprintf("SELECT count() FROM samples WHERE kind != 'bench' AND stream_sequence <= %d", last)); err != nil {
		return err
	}
	if err := holds(ctx, db, samples, fmt.Sprintf("SELECT uniqExact(vantage, boot, counter, batch_row) FROM samples WHERE kind != 'bench' AND stream_sequence <= %d", last)); err != nil {
		return err
	}
	d.report.Samples = samples
	events, last, err := acknowledged(ctx, b, schemas.Events, func(bus.Message) (uint64, error) { return 1, nil })
	if err != nil {
		return err
	}
	return holds(ctx, db, events, fmt.Sprintf("SELECT count() FROM events WHERE stream_sequence <= %d", last))
}

// errCounted ends the reading of a stream.
var errCounted = errors.New("counted")

// acknowledged counts a stream's rows up to its last message of now.
func acknowledged(ctx context.Context, b *bus.Bus, stream string, rows func(bus.Message) (uint64, error)) (sum, last uint64, err error) {
	state, err := b.State(ctx, stream)
	if err != nil || state.Messages == 0 {
		return 0, 0, err
	}
	err = b.Tail(ctx, stream, state.First, nil, func(m bus.Message) error {
		if m.Sequence > state.Last {
			return errCounted
		}
		n, err := rows(m)
		if sum += n; err == nil && m.Sequence == state.Last {
			return errCounted
		}
		return err
	})
	if errors.Is(err, errCounted) {
		err = nil
	}
	return sum, state.Last, err
}

// holds waits until a query counts what it should.
func holds(ctx context.Context, db *clickhouse.DB, want uint64, query string) error {
	return until(ctx, 30*time.Second, "ClickHouse", func(ctx context.Context) error {
		var got uint64
		if err := db.QueryRow(ctx, query).Scan(&got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s = %d, acknowledged %d", query, got, want)
		}
		return nil
	})
}
