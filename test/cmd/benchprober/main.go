// Command benchprober measures what a probe costs and how exact it is, on the loopback, with NATS and the prober in processes of their own and peers beside them in the same run.
//
// Progress goes to standard error; one line of JSON comes last on standard output. docs/reference/performance.md explains the figures.
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

	"github.com/leeward-failover/leeward/test/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 2 && os.Args[1] == "nats" {
		err = process.ServeBus(ctx, os.Args[2:], []string{vantage})
	} else {
		err = measure(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchprober:", err)
		os.Exit(1)
	}
}

// figures are what is known of a kind of probe.
type figures struct {
	PerCPU     float64 `json:"per_cpu_s"`
	Peer       string  `json:"peer,omitempty"`
	PeerPerCPU float64 `json:"peer_per_cpu_s,omitempty"`
	Ratio      float64 `json:"ratio,omitempty"`
	// BarePerCPU is what the system calls alone would allow.
	BarePerCPU float64 `json:"bare_per_cpu_s,omitempty"`
	ErrP50     float64 `json:"err_p50_us,omitempty"`
	ErrP99     float64 `json:"err_p99_us,omitempty"`
	FalseLoss  int     `json:"false_loss"`
}

type report struct {
	ICMP        figures `json:"icmp"`
	TCP         figures `json:"tcp"`
	HTTPFresh   figures `json:"http_fresh"`
	HTTPKept    figures `json:"http_kept"`
	HTTPSFresh  figures `json:"https_fresh"`
	LatenessP99 float64 `json:"lateness_p99_us"`
	RSSPer      float64 `json:"rss_per_target_bytes"`
	RSS100k     float64 `json:"rss_100k_targets_mb"`
	Machine     string  `json:"machine"`
	Load        float64 `json:"load"`
}

// options say how much is measured.
type options struct {
	bin    string
	only   string
	span   time.Duration
	rounds int
	idle   int
}

func measure(ctx context.Context) error {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder of the binaries")
	flag.StringVar(&o.only, "only", "", "measure this kind only")
	flag.DurationVar(&o.span, "span", 10*time.Second, "how long each is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each kind, peers between; medians are reported")
	flag.IntVar(&o.idle, "idle", 100_000, "targets whose memory is measured; 0 leaves it out")
	flag.Parse()
	dir, err := os.MkdirTemp("", "leeward-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	w := &world{dir: dir, bin: o.bin}
	defer w.stop()
	if err := w.start(ctx); err != nil {
		return err
	}
	r := report{Machine: process.Machine(), Load: process.LoadAverage()}
	b := bench{world: w, options: o, report: &r}
	if err := b.run(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
