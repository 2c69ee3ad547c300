package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/api"
)

func overrideCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "override", Short: "Keep traffic away from a region, or in one, for a time",
		Long: "An order stands above every ranking and ends by itself. Failovers look at it at the moment they are decided. It moves nothing: where traffic is now it stays.",
	}
	cmd.AddCommand(
		orderCommand(schemas.Exclude, "Allow no failover to a region, or to one variant in it"),
		orderCommand(schemas.Pin, "Allow failovers to a region, or to one variant in it, and to nothing else"),
		overridesCommand(), clearCommand())
	return cmd
}

func orderCommand(kind, short string) *cobra.Command {
	c := &client{}
	order := api.OverrideOrder{Kind: kind}
	cmd := &cobra.Command{
		Use: kind + " APP REGION[/VARIANT]", Short: short, Args: cobra.ExactArgs(2),
		Long: short + ", until the time given with --for is over or the order is cleared.\nAnother order for the same region or candidate takes its place.",
		RunE: func(cmd *cobra.Command, args []string) error {
			order.Actor = actor()
			body, err := json.Marshal(order)
			if err != nil {
				return err
			}
			return c.override(cmd, http.MethodPut, args, body, func(o schemas.Override) string {
				return fmt.Sprintf("%s of %s: %s until %s; it is looked at in every failover from now on", o.Scope(), o.App, ordered(o), o.Until.UTC().Format(time.RFC3339))
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&order.Why, "why", "", "why; shown wherever the order keeps traffic away")
	cmd.Flags().StringVar(&order.For, "for", "", "how long, as 30m, 2h or 24h; at most 720h")
	_ = cmd.MarkFlagRequired("why")
	_ = cmd.MarkFlagRequired("for")
	return cmd
}

func clearCommand() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use: "clear APP REGION[/VARIANT]", Short: "End an order before its time", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.override(cmd, http.MethodDelete, args, nil, func(o schemas.Override) string {
				return fmt.Sprintf("%s of %s: no longer %s", o.Scope(), o.App, ordered(o))
			})
		},
	}
	c.flags(cmd)
	return cmd
}

// override changes what is ordered of the app and place in args, and tells of it.
func (c *client) override(cmd *cobra.Command, method string, args []string, body []byte, tell func(schemas.Override) string) error {
	region, variant, both := strings.Cut(args[1], "/")
	if region == "" || both && variant == "" {
		return fmt.Errorf("%q: write REGION or REGION/VARIANT", args[1])
	}
	path := "/v1/apps/" + url.PathEscape(args[0]) + "/overrides/" + url.PathEscape(region) + "?variant=" + url.QueryEscape(variant)
	var o schemas.Override
	if _, err := c.call(cmd.Context(), method, path, http.Header{"Content-Type": {"application/json"}}, body, &o); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(cmd.OutOrStdout(), o)
	}
	fmt.Fprintln(cmd.OutOrStdout(), tell(o))
	return nil
}

// ordered is an order's kind as something that was done.
func ordered(o schemas.Override) string {
	if o.Kind == schemas.Pin {
		return "pinned"
	}
	return "excluded"
}

func overridesCommand() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use: "list APP", Short: "List what is ordered of an app's regions", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.overrides(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	c.flags(cmd)
	return cmd
}

func (c *client) overrides(ctx context.Context, w io.Writer, app string) error {
	var all []schemas.Override
	if _, err := c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(app)+"/overrides", nil, nil, &all); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "nothing is ordered of "+app)
		return nil
	}
	t := newTable(w, table.Row{"region or candidate", "order", "until", "left", "by", "why"})
	for _, o := range all {
		t.AppendRow(table.Row{o.Scope(), ordered(o), o.Until.UTC().Format(time.RFC3339), time.Until(o.Until).Round(time.Second), printable(o.Who), printable(o.Why)})
	}
	t.Render()
	return nil
}
