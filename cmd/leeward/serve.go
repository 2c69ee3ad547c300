package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/natsd"
	actuator "github.com/leeward-failover/leeward/services/failover-actuator"
	"github.com/leeward-failover/leeward/services/gateway"
	"github.com/leeward-failover/leeward/services/prober"
	"github.com/leeward-failover/leeward/services/ranker"
	"github.com/leeward-failover/leeward/services/recorder"
)

// servable is everything serve can run: the six services, and what up starts for those who have none: a bus, a ClickHouse, regions.
func servable() map[string]daemon.Run {
	all := map[string]daemon.Run{
		"gateway": gateway.Run, "prober": prober.Confined, "recorder": recorder.Run,
		"ranker": ranker.Run, "failover-actuator": actuator.Run,
	}
	maps.Copy(all, heavy())
	return all
}

func serveCommand() *cobra.Command {
	names := slices.Sorted(maps.Keys(servable()))
	return &cobra.Command{
		Use: "serve SERVICE", Short: "Run one service in the foreground: " + strings.Join(names, ", "),
		Long:      "Runs one service in the foreground. Its settings are LEEWARD_* variables; docs/reference/settings.md lists them.",
		ValidArgs: names, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			daemon.Main(args[0], servable()[args[0]])
			return nil
		},
	}
}

func serveNATS(ctx context.Context, proc daemon.Process) error {
	r := &env.Reader{Getenv: proc.Getenv}
	o := natsd.Options{
		Addr: r.String("LEEWARD_NATS_ADDR", "127.0.0.1:4222"), Store: r.Required("LEEWARD_NATS_STORE"), Keys: r.Required("LEEWARD_NATS_KEYS"),
		Vantages: strings.FieldsFunc(r.String("LEEWARD_VANTAGES", ""), func(c rune) bool { return c == ',' }), Log: proc.Log,
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return natsd.Run(ctx, o)
}
