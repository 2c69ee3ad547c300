// Command demo does Leeward's main job unattended and prints what it saw as one JSON object on its last line: in the demo world, which `make up` starts,
// or with --loopback in simulated regions, which it starts itself and for which an ordinary user is enough.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leeward-failover/leeward/test/demo"
)

func main() {
	state := flag.String("state", "", "state folder (default: .state of make up; with --loopback a new one, which is removed)")
	chaos := flag.Bool("chaos", false, "kill every service, NATS and ClickHouse once on the way")
	scraped := flag.Bool("scraped", false, "only hold rules, dashboards and docs/reference/metrics.md to what is scraped now, some time after a whole run")
	simulated := flag.Bool("loopback", false, "run leeward with simulated regions, without builds; as the user nobody when started by root")
	limit := flag.Duration("limit", 8*time.Minute, "give up after this long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if *scraped {
		world, err := world(*state)
		if err == nil {
			err = demo.Scraped(ctx, world)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		end(err == nil)
	}
	if *simulated && os.Geteuid() == 0 {
		err := dropRoot(ctx, *limit)
		// What failed below has been said there.
		if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		end(err == nil)
	}
	report, err := run(ctx, *state, *simulated, *chaos)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		report.OK, report.Error = false, err.Error()
	}
	report.Table(os.Stderr)
	line, _ := json.Marshal(report)
	fmt.Println(string(line))
	end(report.OK)
}

// run runs the demo where it was asked to.
func run(ctx context.Context, state string, simulated, chaos bool) (demo.Report, error) {
	if simulated {
		if state != "" {
			return loopback(ctx, state)
		}
		// A short path, because sockets are in it.
		folder, err := os.MkdirTemp("", "leeward-demo-")
		if err != nil {
			return demo.Report{}, err
		}
		defer func() { _ = os.RemoveAll(folder) }()
		return loopback(ctx, filepath.Join(folder, "state"))
	}
	options, err := world(state)
	if err != nil {
		return demo.Report{}, err
	}
	options.Chaos = chaos
	return demo.Run(ctx, options)
}

// world is where everything of the demo world is.
func world(state string) (demo.Options, error) {
	if state == "" {
		state = ".state"
	}
	program, err := beside("world")
	return demo.Options{
		API: "http://127.0.0.1:8080", Entry: "http://10.88.0.1:8000", Bus: "10.88.0.1:4222", Topology: filepath.Join(state, "leeward.yaml"),
		World: []string{program}, Leeward: filepath.Join(state, "leeward"), Deploy: "deploy", Progress: os.Stderr,
	}, err
}

func end(ok bool) {
	if !ok {
		os.Exit(1)
	}
	os.Exit(0)
}
