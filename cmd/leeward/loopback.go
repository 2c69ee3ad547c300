package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/loopback"
	"github.com/leeward-failover/leeward/cmd/leeward/internal/up"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/env"
)

// serveLoopback runs the simulated regions.
func serveLoopback(ctx context.Context, proc daemon.Process) error {
	r := &env.Reader{Getenv: proc.Getenv}
	socket, bus := r.Required("LEEWARD_LOOPBACK_SOCKET"), r.String("LEEWARD_NATS_ADDR", "127.0.0.1:4222")
	if err := r.Err(); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	network, err := loopback.NewNetwork()
	if err != nil {
		return err
	}
	world := loopback.World{Network: network, Ports: loopback.FirstPort, Bus: bus, Log: proc.Log}
	g, ctx := errgroup.WithContext(ctx)
	listening := make(chan struct{})
	g.Go(func() error { return world.Run(ctx, func() { close(listening) }) })
	g.Go(func() error {
		select {
		case <-listening:
		case <-ctx.Done():
			return ctx.Err()
		}
		// Last, so that who gets an answer here finds everything there.
		return network.Control(ctx, socket)
	})
	return g.Wait()
}

func loopbackCommand() *cobra.Command {
	state := ""
	cmd := &cobra.Command{Use: "loopback", Short: "Cut and heal the regions that `leeward up --loopback` simulates"}
	cmd.PersistentFlags().StringVar(&state, "state", defaultState(), "state folder ($LEEWARD_STATE)")
	ask := func(cmd *cobra.Command, method, path string) error {
		folder, err := stateFolder(state)
		if err != nil {
			return err
		}
		answer, err := loopback.Ask(cmd.Context(), folder.LoopbackSocket(), method, path)
		fmt.Fprint(cmd.OutOrStdout(), answer)
		return err
	}
	for _, verb := range []struct{ name, short string }{
		{"cut", "Cut a region off: what is sent to it and from it vanishes from the moment this returns"},
		{"heal", "Undo cut"},
	} {
		cmd.AddCommand(&cobra.Command{Use: verb.name + " REGION", Short: verb.short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			place, err := loopback.Place(args[0])
			if err != nil {
				return err
			}
			return ask(cmd, http.MethodPost, verb.name+"/"+string(place))
		}})
	}
	cmd.AddCommand(&cobra.Command{Use: "rtt", Short: "List the round trips between places, and which are cut, as JSON", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return ask(cmd, http.MethodGet, "links")
	}})
	return cmd
}

// simulate prepares the state folder for regions on loopback and returns the topology to run.
func simulate(state up.State) (file string, err error) {
	if err := os.MkdirAll(string(state), 0o700); err != nil {
		return "", err
	}
	return loopback.WriteTopology(string(state))
}
