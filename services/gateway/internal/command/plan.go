package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
)

func planCommand() *cobra.Command {
	c := &client{}
	var to, variant, lost string
	var force bool
	cmd := &cobra.Command{
		Use: "plan APP", Short: "Show what a failover would do now, and change nothing", Args: cobra.ExactArgs(1),
		Long: "Has the failover-actuator decide as it would for a real request, and shows the steps, every candidate's gates and what the vantages say.\n" +
			"With --from-lost it decides as if every vantage judged that region down; nothing is moved, and no epoch is taken.",
		Example: "  leeward failover plan shop\n  leeward failover plan shop --to london/slim\n  leeward failover plan shop --from-lost frankfurt",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := candidate(to, variant)
			if err != nil {
				return err
			}
			return c.plan(cmd.Context(), cmd.OutOrStdout(), args[0], k, lost, force)
		},
	}
	c.flags(cmd)
	toFlags(cmd, &to, &variant)
	cmd.Flags().StringVar(&lost, "from-lost", "", "suppose that this region is lost")
	cmd.Flags().BoolVar(&force, "force", false, "show what a request with --force would do")
	return cmd
}

func toFlags(cmd *cobra.Command, to, variant *string) {
	cmd.Flags().StringVar(to, "to", "", "region to move to, or region/variant (default: the best-ranked eligible one)")
	cmd.Flags().StringVar(variant, "variant", "", "variant to move to (default: the best-ranked one)")
}

// candidate reads region, region/variant, or a region and a variant.
func candidate(to, variant string) (schemas.Candidate, error) {
	region, named, both := strings.Cut(to, "/")
	switch {
	case both && (named == "" || region == ""):
		return schemas.Candidate{}, fmt.Errorf("--to %s: write REGION or REGION/VARIANT", to)
	case both && variant != "" && variant != named:
		return schemas.Candidate{}, errors.New("--to and --variant name two variants")
	case both:
		variant = named
	}
	return schemas.Candidate{Region: region, Variant: variant}, nil
}

func (c *client) plan(ctx context.Context, w io.Writer, app string, to schemas.Candidate, lost string, force bool) error {
	body, err := json.Marshal(map[string]any{"app": app, "region": to.Region, "variant": to.Variant, "lost": lost, "force": force, "actor": actor()})
	if err != nil {
		return err
	}
	var p schemas.Plan
	if _, err := c.call(ctx, http.MethodPost, "/v1/failovers/preview", http.Header{"Content-Type": {"application/json"}}, body, &p); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, p)
	}
	fmt.Fprintf(w, "%s: traffic is in %s. A preview: nothing was changed.\n", p.App, p.From)
	if p.To.Region == "" {
		fmt.Fprintf(w, "It would stay: %s\n\n", printable(p.Reason))
		if to.Region != "" && !force {
			fmt.Fprintf(w, "Whoever insists on %s says so, with a reason that is kept: leeward failover request %s --to %s --force --reason …\n\n", to.Region, p.App, to.Region)
		}
	} else {
		fmt.Fprintf(w, "It would go to %s under epoch %d.%d: %s\n\n", p.To, p.Epoch.Term, p.Epoch.N, printable(p.Reason))
		t := newTable(w, table.Row{"step", "does", "at", "what"})
		for i, s := range p.Journal {
			t.AppendRow(table.Row{i + 1, s.Name, s.Target, s.Detail})
		}
		t.Render()
	}
	candidates(w, p)
	votes(w, p)
	return nil
}

func newTable(w io.Writer, header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(header)
	return t
}

func candidates(w io.Writer, p schemas.Plan) {
	if len(p.Candidates) == 0 {
		fmt.Fprintln(w, "No candidate is ranked for where traffic is.")
		return
	}
	ranked := "never"
	if !p.RankingAt.IsZero() {
		ranked = p.At.Sub(p.RankingAt).Round(time.Second).String() + " before"
	}
	fmt.Fprintf(w, "Candidates, ranked %s:\n", ranked)
	t := newTable(w, table.Row{"", "candidate", "cost ms", "gates passed", "gates that do not pass"})
	for _, k := range p.Candidates {
		mark := ""
		if k.Chosen {
			mark = "→"
		}
		missing := failing(k.Gates)
		t.AppendRow(table.Row{mark, k.Candidate.String(), cost(k.RankedCandidate), fmt.Sprintf("%d of %d", len(k.Gates)-len(missing), len(k.Gates)), printable(strings.Join(missing, "; "))})
	}
	t.Render()
}

func votes(w io.Writer, p schemas.Plan) {
	fmt.Fprintf(w, "What the vantages say of %s:\n", p.From.Region)
	t := newTable(w, table.Row{"vantage", "says", "since the judgement", "reason"})
	for _, v := range p.Quorum {
		age := ""
		if !v.At.IsZero() {
			age = p.At.Sub(v.At).Round(100 * time.Millisecond).String()
		}
		t.AppendRow(table.Row{v.Vantage, v.Health, age, printable(v.Reason)})
	}
	t.Render()
}
