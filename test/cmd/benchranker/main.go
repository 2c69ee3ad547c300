// Command benchranker measures what a refresh of all rankings costs in a steady state, and how that grows, with NATS, ClickHouse's embedded engine and the ranker in processes of their own.
//
// Progress goes to standard error; one line of JSON comes last on standard output. docs/reference/performance-ranker.md explains the figures.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/chembed"
	"github.com/leeward-failover/leeward/test/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 2 && os.Args[1] == "nats" {
		err = process.ServeBus(ctx, os.Args[2:], names(vantages, vantageName))
	} else {
		err = measure(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchranker:", err)
		os.Exit(1)
	}
}

// options say how much is measured.
type options struct {
	bin      string
	apps     []int
	samples  uint64
	interval time.Duration
	span     time.Duration // of the measured refreshes; twice a third of it of the inserts alone
	longest  time.Duration // that a span may become until enough refreshes were seen
}

func readOptions() (o options, err error) {
	flag.StringVar(&o.bin, "bin", "bin", "folder of the binaries")
	apps := flag.String("apps", "1,10,100,500,1000", "numbers of apps that are measured, between commas")
	flag.Uint64Var(&o.samples, "samples", 1_000_000_000, "samples that are stored, a hundredth and a tenth of them first; 0 for those of the window alone")
	flag.DurationVar(&o.interval, "interval", 5*time.Second, "time between two refreshes")
	flag.DurationVar(&o.span, "span", time.Minute, "how long refreshes are measured; a third of it before and after, inserts are")
	flag.DurationVar(&o.longest, "longest", 4*time.Minute, "how long each is measured at most when refreshes take longer than the interval")
	short := flag.Bool("short", false, "10 and 50 apps, no more samples than the window's, a refresh every 2 s, less time for each")
	flag.Parse()
	if *short {
		*apps, o.samples, o.interval, o.span, o.longest = "10,50", 0, 2*time.Second, 6*time.Second, time.Minute
	}
	for _, text := range strings.Split(*apps, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxApps {
			return o, fmt.Errorf("-apps: %q is not a number of apps from 1 to %d", text, maxApps)
		}
		o.apps = append(o.apps, n)
	}
	if o.samples > maxSamples {
		return o, fmt.Errorf("-samples: %d are more than %d, which is what %d apps have in the two weeks that are kept", o.samples, maxSamples, pastApps)
	}
	o.bin, err = filepath.Abs(o.bin)
	return o, err
}

// The names of apps have four digits; samples are kept for two weeks, of which two days are not for the past.
const (
	maxApps    = 9999
	maxSamples = uint64(12*24*time.Hour/beat) * pastApps * perApp
)

func measure(ctx context.Context) (err error) {
	o, err := readOptions()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "leeward-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	library, err := chembed.Locate(ctx, chembed.Source{File: os.Getenv("LEEWARD_LIBCHDB"), Progress: os.Stderr, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	w := &world{dir: dir, bin: o.bin, library: library}
	defer w.stop()
	if err := w.start(ctx); err != nil {
		return err
	}
	l := &load{world: w}
	b := bench{load: l, meter: &meter{engine: w.engine, turn: &l.turn}, options: o, report: report{GoalCPU: 2, GoalAppMS: 25, IntervalS: o.interval.Seconds(), Machine: process.Machine(), Load: []float64{process.LoadAverage()}}}
	if err := b.run(ctx); err != nil {
		return err
	}
	b.report.Load = append(b.report.Load, process.LoadAverage())
	return json.NewEncoder(os.Stdout).Encode(b.report)
}

// most is the largest number of apps.
func (o options) most() int { return max(slices.Max(o.apps), pastApps) }

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
