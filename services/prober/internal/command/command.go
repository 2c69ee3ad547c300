// Package command holds the prober's commands for people: measuring something once, and finding out how well this machine can measure.
package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

// All returns the commands.
func All() []*cobra.Command {
	cmd := &cobra.Command{Use: "probe", Short: "Measure from here, without a running Leeward", Args: cobra.NoArgs}
	cmd.AddCommand(once(), selftest())
	return []*cobra.Command{cmd}
}

// kit measures from where the command runs. Nothing guards it: who runs it can reach what they like anyway.
func kit() *probe.Kit {
	k := probe.NewKit("here", socks.Dialer{Proxy: os.Getenv("LEEWARD_PROBE_PROXY")}, func(ref string) (string, error) { return env.Resolve(ref, os.Getenv) })
	k.Checks.Folder, k.Checks.Path = os.Getenv("LEEWARD_PROBE_CHECKS"), os.Getenv("PATH")
	return k
}

// output is the flag of the format.
func output(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVarP(into, "output", "o", "table", "table or json")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *into != "table" && *into != "json" {
			return fmt.Errorf("-o %s: the formats are table and json", *into)
		}
		return nil
	}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
