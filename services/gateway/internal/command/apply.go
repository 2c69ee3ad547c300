package command

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/config"
)

func applyCommand() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Apply a leeward.yaml", Args: cobra.ExactArgs(1),
		Long: "Checks the file, shows every problem with its place, and replaces the running topology. Nothing changes when there is a problem,\nor when someone else applied a topology since this one was read.",
		RunE: func(cmd *cobra.Command, args []string) error { return c.apply(cmd, args[0]) },
	}
	c.flags(cmd)
	return cmd
}

func (c *client) apply(cmd *cobra.Command, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := config.Parse(file, data); err != nil {
		return err
	}
	var current, applied struct {
		Hash    string `json:"hash"`
		Changed bool   `json:"changed"`
	}
	header := http.Header{"Content-Type": {"application/yaml"}, "X-Leeward-File": {filepath.Base(file)}}
	before, err := c.call(cmd.Context(), http.MethodGet, "/v1/topology", nil, nil, &current)
	switch {
	case err == nil:
		header.Set("If-Match", before.Get("ETag"))
	case !isStatus(err, http.StatusNotFound):
		return err
	}
	if _, err := c.call(cmd.Context(), http.MethodPut, "/v1/topology", header, data, &applied); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), applied)
	}
	if !applied.Changed {
		fmt.Fprintf(cmd.OutOrStdout(), "topology %s is already applied\n", applied.Hash)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "topology %s applied\n", applied.Hash)
	return nil
}
