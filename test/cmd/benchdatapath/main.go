// Command benchdatapath measures the data path from the publish of a batch to the row that can be queried, with NATS, ClickHouse's embedded engine, the recorder and the publisher in processes of their own.
//
// Progress goes to standard error; one line of JSON comes last on standard output. Package test/datapath makes the load. docs/reference/performance.md explains the figures.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/chembed"
	"github.com/leeward-failover/leeward/test/datapath"
	"github.com/leeward-failover/leeward/test/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch name, args := command(); name {
	case "nats":
		err = process.ServeBus(ctx, args, datapath.Names())
	case "publish":
		err = publish(ctx, args)
	default:
		err = measure(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdatapath:", err)
		os.Exit(1)
	}
}

// command tells a child, which the bench starts of itself, from the bench.
func command() (name string, args []string) {
	if len(os.Args) > 2 {
		name, args = os.Args[1], os.Args[2:]
	}
	return name, args
}

// options say how much is measured.
type options struct {
	bin     string
	rounds  int
	span    time.Duration // of the load of a round, at the rate the load stands for
	visible time.Duration
	bytes   time.Duration // of the load whose size on disk is measured
	samples uint64        // that the rankings stand for
	profile string
}

func measure(ctx context.Context) error {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of the binaries")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each kind; medians are reported")
	flag.DurationVar(&o.span, "span", 100*time.Second, "time that the load of a round stands for, at 20,000 samples a second")
	flag.DurationVar(&o.visible, "visible", 20*time.Second, "how long batches are sent at 20,000 samples a second; 0 leaves it out")
	flag.DurationVar(&o.bytes, "bytes", 300*time.Second, "time that the load stands for whose size on disk is measured; 0 leaves it out")
	flag.Uint64Var(&o.samples, "samples", 1_000_000_000, "samples that the rankings stand for; 0 leaves them out")
	flag.StringVar(&o.profile, "profile", "", "write the recorder's CPU profile of a round here")
	flag.Parse()
	dir, err := os.MkdirTemp("", "leeward-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	library, err := chembed.Locate(ctx, chembed.Source{File: os.Getenv("LEEWARD_LIBCHDB"), Progress: os.Stderr, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	w := &world{dir: dir, bin: o.bin, library: library}
	defer w.stop()
	if err := w.start(ctx); err != nil {
		return err
	}
	r := report{Machine: process.Machine(), Load: []float64{process.LoadAverage()}}
	b := bench{world: w, options: o, report: &r}
	if err := b.run(ctx); err != nil {
		return err
	}
	r.Load = append(r.Load, process.LoadAverage())
	return json.NewEncoder(os.Stdout).Encode(r)
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
