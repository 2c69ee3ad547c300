package main

import (
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world"
	"github.com/leeward-failover/leeward/test/world/runtime"
	"github.com/leeward-failover/leeward/test/world/site"
)

func runtimeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "runtime", Hidden: true, Args: cobra.NoArgs, Short: "Run the app's containers of a region (supervise starts it)"}
	state := stateFlag(cmd)
	bus := busFlags(cmd)
	name := cmd.Flags().String("region", "", "the region")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		folder, err := state()
		if err != nil {
			return err
		}
		region, err := site.Region(*name)
		if err != nil {
			return err
		}
		database, err := world.ReadSecret(folder.ShopURL())
		if err != nil {
			return err
		}
		_ = bus
		r := runtime.Runtime{
			Region:      region,
			Folder:      folder.Region(region.Name),
			Scratch:     filepath.Join(world.Scratch, region.Name),
			Logs:        folder.Logs(),
			Cgroup:      world.AppCgroup,
			DatabaseURL: database,
			Log:         zerolog.New(os.Stderr).With().Timestamp().Str("region", region.Name).Logger(),
		}
		states := make(chan schemas.ImageState)
		return r.Run(cmd.Context(), states)
	}
	return cmd
}
