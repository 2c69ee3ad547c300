// Command blocks inserts the batches of a file into ClickHouse as the recorder would, with columns that are ready before the clock starts and without a bus: what the driver and the engine can take at most.
package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// load is the part of the file that is used here; package test/datapath writes it.
type load struct {
	Messages []struct {
		Subject string
		Data    []byte
		Ended   time.Time
	}
}

// result is what was inserted, and what it took from the first block's start to the last one's end.
type result struct {
	Rows    int     `json:"rows"`
	Blocks  int     `json:"blocks"`
	Seconds float64 `json:"seconds"`
	// CPU is this process's processor time meanwhile, in seconds.
	CPU float64 `json:"cpu"`
}

func main() {
	dsn := flag.String("dsn", "", "ClickHouse")
	file := flag.String("file", "", "load to insert")
	into := flag.String("table", "samples", "table to insert into")
	rows := flag.Int("rows", 100_000, "rows of a block")
	token := flag.String("token", "blocks", "what the de-duplication tokens begin with")
	flag.Parse()
	r, err := run(context.Background(), *dsn, *file, *into, *token, *rows)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "blocks:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dsn, file, into, token string, rows int) (r result, err error) {
	f, err := os.Open(file)
	if err != nil {
		return r, err
	}
	defer func() { _ = f.Close() }()
	var l load
	if err := gob.NewDecoder(f).Decode(&l); err != nil {
		return r, fmt.Errorf("read %s: %w", file, err)
	}
	partitions, err := cut(l, into, rows)
	if err != nil {
		return r, err
	}
	db, err := clickhouse.Open(dsn)
	if err != nil {
		return r, err
	}
	defer func() { _ = db.Close() }()
	if err := db.Ready(ctx); err != nil {
		return r, err
	}
	g, ctx := errgroup.WithContext(ctx)
	before := spent()
	begin := time.Now()
	for partition, blocks := range partitions {
		g.Go(func() error {
			for i, b := range blocks {
				b.Token = fmt.Sprintf("%s:%s:%d", token, partition, i)
				if err := db.Insert(ctx, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	r.Seconds, r.CPU = time.Since(begin).Seconds(), (spent() - before).Seconds()
	for _, m := range partitions {
		r.Blocks += len(m)
	}
	for _, m := range l.Messages {
		b, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return r, err
		}
		r.Rows += b.Len()
	}
	return r, err
}

// spent is this process's processor time so far.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cut makes the blocks of each partition.
func cut(l load, into string, rows int) (map[string][]clickhouse.Block, error) {
	open, held := map[string]*table.Samples{}, map[string]int{}
	blocks := map[string][]clickhouse.Block{}
	seal := func(partition string) error {
		for _, t := range open[partition].Tables() {
			if t.Table == "samples" {
				blocks[partition] = append(blocks[partition], clickhouse.Block{Table: into, Columns: t.Columns})
				held[partition] -= t.Count
			}
		}
		if held[partition] != 0 {
			return fmt.Errorf("%d samples of a block are for another table", held[partition])
		}
		delete(open, partition)
		delete(held, partition)
		return nil
	}
	for i, m := range l.Messages {
		partition, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, schemas.SamplesSubject+"."), ".")
		if open[partition] == nil {
			open[partition] = &table.Samples{Lateness: table.Measured}
		}
		n, err := open[partition].Add(bus.Message{Stream: schemas.Samples, Sequence: uint64(i + 1), Subject: m.Subject, Data: m.Data, Stored: m.Ended})
		if err != nil {
			return nil, err
		}
		if held[partition] += n; held[partition] >= rows {
			if err := seal(partition); err != nil {
				return nil, err
			}
		}
	}
	for partition := range open {
		if err := seal(partition); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}
