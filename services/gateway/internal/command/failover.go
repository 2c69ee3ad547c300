package command

import (
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
	cmd := &cobra.Command{Use: "failover", Short: "See failovers and ask for one"}
	cmd.AddCommand(statusCommand(), requestCommand())
	return cmd
}

func statusCommand() *cobra.Command {
	c := &client{}
	app := ""
	cmd := &cobra.Command{
		Use: "status", Short: "Show what was decided and done, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.OutOrStdout(), app) },
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&app, "app", "", "only this app's")
	return cmd
}

func (c *client) status(w io.Writer, app string) error {
	var plans []schemas.Plan
	if _, err := c.call(http.MethodGet, "/v1/failovers?app="+url.QueryEscape(app), nil, nil, &plans); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, plans)
	}
	if len(plans) == 0 {
		fmt.Fprintln(w, "no failover has been decided yet")
		return nil
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"at", "app", "trigger", "from", "to", "epoch", "state", "quorum to verified", "reason"})
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
	var to schemas.Candidate
	var reason, key string
	cmd := &cobra.Command{
		Use: "request APP", Short: "Ask to move an app", Args: cobra.ExactArgs(1),
		Long: "Asks to move an app to a region, or to the best-ranked one. The request passes the same gates as any failover; a refusal says which gate.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.request(cmd.OutOrStdout(), args[0], to, reason, key)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&to.Region, "to", "", "region to move to (default: the best-ranked eligible one)")
	cmd.Flags().StringVar(&to.Variant, "variant", "", "variant to move to (default: the best-ranked one)")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the decision")
	cmd.Flags().StringVar(&key, "idempotency-key", "", "the same key twice is one request")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (c *client) request(w io.Writer, app string, to schemas.Candidate, reason, key string) error {
	body, err := json.Marshal(map[string]string{"app": app, "region": to.Region, "variant": to.Variant, "reason": reason, "actor": actor()})
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
	if _, err := c.call(http.MethodPost, "/v1/failovers", header, body, &accepted); err != nil {
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
