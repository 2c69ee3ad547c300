package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
)

func anomaliesCommand() *cobra.Command {
	c := &client{}
	limit := 0
	cmd := &cobra.Command{
		Use: "anomalies [APP]", Short: "Show what became slower or fails more than before, and what these have in common", Args: cobra.MaximumNArgs(1),
		Long: "Shows the anomalies that last, then those that ended within a day: since when, what the cells have in common, and how the worst of them was before and is now.\n" +
			"Earlier ones are in ClickHouse: leeward sql \"SELECT * FROM anomalies\".",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.anomalies(cmd.Context(), cmd.OutOrStdout(), append(args, "")[0], limit)
		},
	}
	c.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most")
	return cmd
}

func (c *client) anomalies(ctx context.Context, w io.Writer, app string, limit int) error {
	var all []schemas.AnomalyDetected
	if _, err := c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/anomalies?limit=%d&app=%s", limit, url.QueryEscape(app)), nil, nil, &all); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "no anomaly lasts, and none ended within a day")
		return nil
	}
	t := newTable(w, table.Row{"since", "ended", "where", "worst cell", "then and before", "id"})
	for _, e := range all {
		ended := "lasts"
		if e.State == schemas.AnomalyEnded {
			ended = e.At.UTC().Format(time.RFC3339) + "\n" + e.Reason
		}
		k := e.Cells[0]
		t.AppendRow(table.Row{e.Since.UTC().Format(time.RFC3339), ended, e.Where(), fmt.Sprintf("%s %s/%s\nfrom %s by %s", k.App, k.Region, k.Variant, k.Vantage, k.Kind), e.Worst(), e.ID})
	}
	t.Render()
	return nil
}
