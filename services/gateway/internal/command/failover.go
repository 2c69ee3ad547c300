package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
)

func failoverCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "failover", Short: "See failovers, what one would do, and ask for one"}
	cmd.AddCommand(statusCommand(), planCommand(), requestCommand())
	return cmd
}

func statusCommand() *cobra.Command {
	c := &client{}
	app, limit := "", 0
	cmd := &cobra.Command{
		Use: "status", Short: "Show what was decided and done, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.status(cmd.Context(), cmd.OutOrStdout(), app, limit)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&app, "app", "", "only this app's")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many")
	return cmd
}

func (c *client) status(ctx context.Context, w io.Writer, app string, limit int) error {
	var plans []schemas.Plan
	if _, err := c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/failovers?limit=%d&app=%s", limit, url.QueryEscape(app)), nil, nil, &plans); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, plans)
	}
	if len(plans) == 0 {
		fmt.Fprintln(w, "no failover has been decided yet")
		return nil
	}
	t := newTable(w, table.Row{"at", "app", "trigger", "from", "to", "epoch", "state", "quorum to verified", "reason"})
	for _, p := range plans {
		to := ""
		if p.To.Region != "" {
			to = p.To.String()
		}
		took := ""
		if !p.Times.VerifiedAt.IsZero() && !p.Times.QuorumAt.IsZero() {
			took = p.Times.VerifiedAt.Sub(p.Times.QuorumAt).Round(time.Millisecond).String()
		}
		t.AppendRow(table.Row{p.At.UTC().Format(time.RFC3339), p.App, p.Trigger, p.From, to, fmt.Sprintf("%d.%d", p.Epoch.Term, p.Epoch.N), p.State, took, p.Reason})
	}
	t.Render()
	return nil
}

func requestCommand() *cobra.Command {
	c := &client{}
	var to, variant, reason, key string
	var force bool
	cmd := &cobra.Command{
		Use: "request APP", Short: "Ask to move an app", Args: cobra.ExactArgs(1),
		Long: "Asks to move an app to a region, or to the best-ranked one. The request passes the same gates as any failover; a refusal says which gate.\n" +
			"A region that is named needs no fresh ranking. With --force its gates are recorded and not obeyed; whether it answers is verified all the same,\n" +
			"and traffic goes back if it does not. See first what it would come to: leeward failover plan.",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := candidate(to, variant)
			if err != nil {
				return err
			}
			return c.request(cmd.Context(), cmd.OutOrStdout(), args[0], k, force, reason, key)
		},
	}
	c.flags(cmd)
	toFlags(cmd, &to, &variant)
	cmd.Flags().BoolVar(&force, "force", false, "insist on the region given with --to although gates of it fail")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the decision")
	cmd.Flags().StringVar(&key, "idempotency-key", "", "the same key twice is one request")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (c *client) request(ctx context.Context, w io.Writer, app string, to schemas.Candidate, force bool, reason, key string) error {
	body, err := json.Marshal(map[string]any{"force": force, "app": app, "region": to.Region, "variant": to.Variant, "reason": reason, "actor": actor()})
	if err != nil {
		return err
	}
	var accepted struct {
		Request string `json:"request"`
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	if _, err := c.call(ctx, http.MethodPost, "/v1/failovers", header, body, &accepted); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, accepted)
	}
	fmt.Fprintf(w, "request %s stored; follow it with: leeward failover status --app %s\n", accepted.Request, app)
	return nil
}

// actor is who asks: the person at this machine.
func actor() string {
	if u := os.Getenv("SUDO_USER"); u != "" {
		return u
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
