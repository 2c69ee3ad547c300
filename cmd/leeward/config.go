package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check a leeward.yaml"}
	cmd.AddCommand(&cobra.Command{
		Use: "validate FILE", Short: "Show every problem of a leeward.yaml with its place", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := readTopology(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d regions, %d vantages, %d apps, topology %s\n", args[0], len(t.Regions), len(t.Vantages), len(t.Apps), t.Hash())
			return nil
		},
	})
	return cmd
}
