package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/runtime"
	"github.com/leeward-failover/leeward/test/world/site"
)

// measured is what `world measure` prints of a variant: medians over the rounds.
type measured struct {
	Variant      string  `json:"variant"`
	PullSeconds  float64 `json:"pull_seconds"`
	StartSeconds float64 `json:"start_seconds"`
}

// measurePort is where the measured containers listen; no variant does.
const measurePort = 8099

func measureCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "measure REGION VARIANT=REFERENCE...", Short: "Measure how long images take in a region from its registry to a first answer, where nothing of them was before",
		Long: "Pull each image from the region's own registry into an empty store and start it, round by round, so that what else the machine does falls on all alike.\n" +
			"Prints the medians as JSON: pull_seconds is fetching and unpacking, start_seconds from the container's start to its first 200.",
		Args: cobra.MinimumNArgs(2),
	}
	rounds := cmd.Flags().Int("rounds", 3, "how often to measure each")
	inside := cmd.Flags().Bool("inside", false, "")
	_ = cmd.Flags().MarkHidden("inside")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		state, err := upState()
		if err != nil {
			return err
		}
		region, err := site.Region(args[0])
		if err != nil {
			return err
		}
		if !*inside {
			program, err := os.Executable()
			if err != nil {
				return err
			}
			argv := []string{"unshare", "--mount", "--propagation=private", program, "measure", "--inside", fmt.Sprintf("--rounds=%d", *rounds)}
			again := netns.Command(region.Namespace, append(argv, args...)...)
			again.Stdout, again.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return again.Run()
		}
		// What is unpacked lies in memory, as it does for the region's own runtime, and nobody else sees it.
		if err := unix.Mount("measure", world.Scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
			return fmt.Errorf("mount %s: %w", world.Scratch, err)
		}
		r := runtime.Runtime{
			Region: region, Port: measurePort, Scratch: filepath.Join(world.Scratch, "measure"), Logs: state.Logs(), Cgroup: world.Cgroup + "/measure",
			Log: zerolog.Nop(),
		}
		results, err := measureAll(cmd, r, args[1:], *rounds)
		if err != nil {
			return err
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(results)
	}
	return cmd
}

func measureAll(cmd *cobra.Command, r runtime.Runtime, images []string, rounds int) ([]measured, error) {
	pulls, starts := map[string][]time.Duration{}, map[string][]time.Duration{}
	for range rounds {
		for _, image := range images {
			variant, reference, _ := strings.Cut(image, "=")
			_, digest, _ := strings.Cut(reference, "@")
			pull, start, err := r.Measure(cmd.Context(), schemas.ImageState{
				App: world.App, Variant: variant, Region: r.Region.Name, Reference: reference, Digest: digest, Parity: "verified",
			})
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", variant, err)
			}
			pulls[variant], starts[variant] = append(pulls[variant], pull), append(starts[variant], start)
		}
	}
	var results []measured
	for _, image := range images {
		variant, _, _ := strings.Cut(image, "=")
		results = append(results, measured{variant, median(pulls[variant]), median(starts[variant])})
	}
	return results, nil
}

// median is the middle one, in seconds to the millisecond.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2].Milliseconds()) / 1000
}
