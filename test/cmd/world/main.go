// Command world runs the demo world: four regions and an entry on one Linux machine. See test/world.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "world",
		Short:         "Run the demo world: four regions and an entry on one machine, with real delays between them",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), downCommand(), statusCommand(), cutCommand(), healCommand(), rttCommand(), killAppCommand(), pushBaseCommand(), topologyCommand(), measureCommand())
	root.AddCommand(pauseReplicaCommand(), resumeReplicaCommand())
	root.AddCommand(superviseCommand(), wanCommand(), runtimeCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		os.Exit(1)
	}
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("root is needed: the world is made of network namespaces, mounts and containers")
	}
	return nil
}
