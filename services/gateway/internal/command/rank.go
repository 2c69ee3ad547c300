package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
)

func rankCommand() *cobra.Command {
	c := &client{}
	active := ""
	cmd := &cobra.Command{
		Use: "rank APP", Short: "Show where an app would go, best first", Args: cobra.ExactArgs(1),
		Long: "Shows the candidates for the active region, best first: cost with its 95 % interval, ties, and every gate that does not pass.\nCandidates whose intervals overlap share a rank.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.rank(cmd.Context(), cmd.OutOrStdout(), args[0], active)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&active, "active", "", "rank as if traffic were in this region (default: where it is)")
	return cmd
}

func (c *client) rank(ctx context.Context, w io.Writer, app, active string) error {
	if active == "" {
		var route schemas.Route
		if _, err := c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(app)+"/route", nil, nil, &route); err != nil {
			return err
		}
		active = route.Active.Region
	}
	var r schemas.Ranking
	if _, err := c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(app)+"/ranking?active="+url.QueryEscape(active), nil, nil, &r); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, r)
	}
	fmt.Fprintf(w, "%s, traffic in %s, p%g over %s, %s old\n", r.App, active, r.Quantile*100, time.Duration(r.WindowSeconds)*time.Second, time.Since(r.At).Round(time.Second))
	t := newTable(w, table.Row{"rank", "region", "variant", "cost ms", "95 % interval", "to serve", "samples", "eligible", "why not"})
	for _, o := range r.Orders {
		for _, k := range o.Candidates {
			t.AppendRow(table.Row{k.Rank, k.Region, k.Variant, cost(k), interval(k), toServe(k.ServeMS), k.Samples, yesNo(k.Eligible), strings.Join(failing(k.Gates), "\n")})
		}
	}
	t.Render()
	return nil
}

func cost(k schemas.RankedCandidate) string {
	switch {
	case !k.Running:
		return "not running"
	case !k.Enough:
		return "not enough data"
	case k.Censored:
		return fmt.Sprintf("≥ %.1f", k.CostMS)
	}
	return fmt.Sprintf("%.1f", k.CostMS)
}

func interval(k schemas.RankedCandidate) string {
	if !k.Running || !k.Enough {
		return ""
	}
	return fmt.Sprintf("%.1f – %.1f", k.LowMS, k.HighMS)
}

func failing(gates []schemas.Gate) []string {
	var lines []string
	for _, g := range gates {
		if g.Result != schemas.Pass {
			lines = append(lines, fmt.Sprintf("%s %s: %s", g.Name, g.Result, g.Evidence))
		}
	}
	return lines
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
