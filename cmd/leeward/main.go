// Command leeward is the one binary people install: the CLI, every service, and up, which runs them all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/gateway"
	"github.com/leeward-failover/leeward/services/prober"
	"github.com/leeward-failover/leeward/services/ranker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use: "leeward", Short: "Where to fail over, with evidence, and how to get there safely", Version: daemon.Version,
		SilenceUsage: true, SilenceErrors: true,
	}
	cmd.AddCommand(upCommand(), downCommand(), serveCommand(), initCommand(), configCommand(), doctorCommand(), busCommand(), sqlCommand(), loopbackCommand(), versionCommand())
	cmd.AddCommand(gateway.Commands()...)
	cmd.AddCommand(prober.Commands()...)
	cmd.AddCommand(ranker.Commands()...)
	if rank, _, err := cmd.Find([]string{"rank"}); err == nil {
		ranker.Past(rank, gateway.ShowRanking)
	}
	teach(cmd)
	return cmd
}

// teach has every command that refuses its arguments say which it takes, and every group of commands refuse what it does not have: it would show its help, and succeed.
func teach(cmd *cobra.Command) {
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args, cmd.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return fmt.Errorf("%w; it is %s", err, cmd.UseLine())
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		teach(sub)
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, Run: func(cmd *cobra.Command, _ []string) {
		fmt.Fprintln(cmd.OutOrStdout(), "leeward", daemon.Version)
	}}
}
