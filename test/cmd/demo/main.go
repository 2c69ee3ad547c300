// Command demo does Leeward's main job unattended in the demo world, which `make up` starts, and prints what it saw as one JSON object on its last line.
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

	"github.com/leeward-failover/leeward/test/demo"
)

func main() {
	state := flag.String("state", ".state", "state folder of make up")
	chaos := flag.Bool("chaos", false, "kill every service, NATS and ClickHouse once on the way")
	deploy := flag.String("deploy", "deploy", "folder with rules and dashboards")
	limit := flag.Duration("limit", 8*time.Minute, "give up after this long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	report, err := demo.Run(ctx, demo.Options{
		API: "http://127.0.0.1:8080", Entry: "http://10.88.0.1:8000", Topology: filepath.Join(*state, "leeward.yaml"),
		World: filepath.Join(*state, "world"), Leeward: filepath.Join(*state, "leeward"), Deploy: *deploy, Chaos: *chaos, Progress: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		report.Error = err.Error()
	}
	line, _ := json.Marshal(report)
	fmt.Println(string(line))
	if !report.OK {
		cancel()
		stop()
		os.Exit(1)
	}
}
