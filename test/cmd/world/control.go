package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/baseimage"
	"github.com/leeward-failover/leeward/test/world/postgres"
	"github.com/leeward-failover/leeward/test/world/site"
	"github.com/leeward-failover/leeward/test/world/wan"
)

func cutCommand() *cobra.Command {
	return &cobra.Command{Use: "cut REGION", Short: "Cut a region off: its packets vanish from the moment this returns", Args: cobra.ExactArgs(1), RunE: tellNetwork("cut")}
}

func healCommand() *cobra.Command {
	return &cobra.Command{Use: "heal REGION", Short: "Undo cut", Args: cobra.ExactArgs(1), RunE: tellNetwork("heal")}
}

func tellNetwork(verb string) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		state, err := upState()
		if err != nil {
			return err
		}
		region, err := site.Region(args[0])
		if err != nil {
			return err
		}
		_, err = wan.Send(cmd.Context(), state.WANSocket(), verb+" "+region.Name)
		return err
	}
}

func rttCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rtt", Short: "List the round trips between sites, and which are cut, as JSON", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := upState()
			if err != nil {
				return err
			}
			answer, err := wan.Send(cmd.Context(), state.WANSocket(), "rtt")
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), answer)
			return nil
		},
	}
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the world's processes, containers and links", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := upState()
			if err != nil {
				return err
			}
			processes, err := state.Processes()
			if err != nil {
				return err
			}
			answer, err := wan.Send(cmd.Context(), state.WANSocket(), "rtt")
			if err != nil {
				return err
			}
			var links []wan.Link
			if err := json.Unmarshal([]byte(answer), &links); err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			defer func() { _ = table.Flush() }()
			fmt.Fprintf(table, "PROCESS\tRUNNING\tFOR\tRESTARTS\n")
			for _, p := range processes {
				fmt.Fprintf(table, "%s\t%t\t%s\t%d\n", p.Name, p.Running, time.Since(p.Since).Round(time.Second), p.Restarts)
			}
			fmt.Fprintf(table, "\nCONTAINER\tPROCESSES\n")
			for id, pids := range world.Containers() {
				fmt.Fprintf(table, "%s\t%s\n", id, strings.Trim(fmt.Sprint(pids), "[]"))
			}
			fmt.Fprintf(table, "\nLINK\tROUND TRIP\tCUT\n")
			for _, l := range links {
				fmt.Fprintf(table, "%s - %s\t%.1f ms\t%t\n", l.From, l.To, l.RTTms, l.Cut)
			}
			return nil
		},
	}
}

func killAppCommand() *cobra.Command {
	return &cobra.Command{
		Use: "kill-app REGION VARIANT", Short: "Kill a container of the app with signal 9; its runtime starts it again", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := site.Region(args[0]); err != nil {
				return err
			}
			return world.KillApp(args[0], args[1])
		},
	}
}

func pauseReplicaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pause-replica REGION", Short: "Let the database of a region fall behind: it answers, and replays nothing of what it receives", Args: cobra.ExactArgs(1), RunE: tellReplica(postgres.Pause),
	}
}

func resumeReplicaCommand() *cobra.Command {
	return &cobra.Command{Use: "resume-replica REGION", Short: "Undo pause-replica", Args: cobra.ExactArgs(1), RunE: tellReplica(postgres.Resume)}
}

func tellReplica(tell func(ctx context.Context, folder string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		state, err := upState()
		if err != nil {
			return err
		}
		region, err := site.Region(args[0])
		if err != nil {
			return err
		}
		if region == site.Primary() {
			return fmt.Errorf("the database of %s is the primary and follows nobody", region.Name)
		}
		return tell(cmd.Context(), state.Postgres(region.Name))
	}
}

func pushBaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "push-base [NAME...]", Short: "Push the base images to the hub registry: all, or those whose names start with NAME",
		Long: "Push the base images to the hub registry, one push each: all, or those whose names start with one of the NAMEs.\n" +
			"A salt makes new images of which one small layer differs. Prints a line of name and digest for each.",
		Example: "  world push-base --salt \"$(date)\" base/node",
	}
	salt := cmd.Flags().String("salt", "", "text in a layer of its own")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		cache, err := world.BaseImages()
		if err != nil {
			return err
		}
		images, err := baseimage.Build(cmd.Context(), cache, *salt)
		if err != nil {
			return err
		}
		for _, image := range images {
			if !chosen(image.Name, names) {
				continue
			}
			digest, err := baseimage.Push(cmd.Context(), site.HubRegistry, image)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), site.HubRegistry+"/"+image.Name, digest.DigestStr())
		}
		return nil
	}
	return cmd
}

func topologyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "topology FILE", Short: "Print a leeward.yaml with the versions of the base images that this machine makes", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cache, err := world.BaseImages()
			if err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			topology, err := baseimage.Topology(cmd.Context(), cache, string(text))
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), topology)
			return nil
		},
	}
}

func chosen(name string, starts []string) bool {
	for _, start := range starts {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return len(starts) == 0
}
