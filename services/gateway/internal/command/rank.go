package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
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
		Long: "Shows the candidates for the active region in the order that is published: cost with its 95 % interval, ties, and every gate that does not pass.\n" +
			"Candidates that the data can not tell apart share a rank. The published choice changes only by margin and confidence; where the measurements of\n" +
			"this window alone say another, it says why.",
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
	query := url.Values{"active": {active}}
	if c.output == "json" {
		query.Set("inputs", "true")
	}
	var r schemas.Ranking
	if _, err := c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(app)+"/ranking?"+query.Encode(), nil, nil, &r); err != nil {
		return err
	}
	return ShowRanking(w, r, c.output)
}

// ShowRanking prints every order of a ranking, as a table or as json.
func ShowRanking(w io.Writer, r schemas.Ranking, output string) error {
	if err := (&client{output: output}).checkOutput(); err != nil {
		return err
	}
	if output == "json" {
		return printJSON(w, r)
	}
	show := newStyle(w)
	for _, o := range r.Orders {
		fmt.Fprintf(w, "%s, traffic in %s, p%g over %s, %s old\n", r.App, o.Active, r.Quantile*100, time.Duration(r.WindowSeconds)*time.Second, time.Since(r.At).Round(time.Second))
		for _, line := range said(o) {
			fmt.Fprintln(w, show.text(line))
		}
		show.order(w, o)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "warning: "+printable(warning))
	}
	return nil
}

// said is what the order says of its choice.
func said(o schemas.Order) []string {
	var lines []string
	none := schemas.Candidate{}
	switch {
	case o.Choice != none && o.Choice != o.Raw:
		lines = append(lines, fmt.Sprintf("would go to %s, not to %s, the best of this window: %s", o.Choice, o.Raw, o.Reason))
	case o.Choice != none && o.Reason != "":
		lines = append(lines, fmt.Sprintf("would go to %s: %s", o.Choice, o.Reason))
	case o.Choice != none:
		lines = append(lines, fmt.Sprintf("would go to %s", o.Choice))
	case o.Reason != "":
		lines = append(lines, "would go nowhere: "+o.Reason)
	}
	if o.Warming {
		lines = append(lines, "warming: too little time was seen to hold anything against the best of a window")
	}
	return lines
}

// order prints the candidates, with a column for P(best) when it is known.
func (s style) order(w io.Writer, o schemas.Order) {
	bars, odds, serves := s.newBars(o.Candidates), false, false
	for _, k := range o.Candidates {
		odds, serves = odds || k.PBest > 0, serves || k.ServeMS != nil
	}
	row := func(name, bar, best, serve any, rest ...any) table.Row {
		all := append(table.Row{name}, rest[:4]...)
		if bars.width > 0 {
			all = append(all, bar)
		}
		if odds {
			all = append(all, best)
		}
		if serves {
			all = append(all, serve)
		}
		return append(all, rest[4:]...)
	}
	t := newTable(w, row("rank", bars.scale(), "P(best)", "to serve", "region", "variant", "cost ms", "95 % interval", "samples", "eligible", "why not"))
	if s.ascii {
		t.SetStyle(table.StyleDefault)
	}
	for _, k := range o.Candidates {
		t.AppendRow(row(k.Rank, bars.draw(k), odd(k), toServe(k.ServeMS), k.Region, k.Variant, s.text(cost(k)), s.text(interval(k)), k.Samples, yesNo(k.Eligible), s.text(strings.Join(failing(k.Gates), "\n"))))
	}
	t.Render()
}

// style is how much a terminal can show.
type style struct {
	// ascii says that the locale has no other characters.
	ascii bool
	// columns is the width of the terminal, 0 for what is none.
	columns int
}

func newStyle(w io.Writer) style {
	locale := strings.ToUpper(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"), "UTF-8"))
	return style{ascii: !strings.Contains(locale, "UTF-8") && !strings.Contains(locale, "UTF8"), columns: columns(w)}
}

// text writes a line in characters that the terminal has.
func (s style) text(line string) string {
	if s.ascii {
		return strings.NewReplacer("≥", ">=", "–", "-").Replace(line)
	}
	return line
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

func odd(k schemas.RankedCandidate) string {
	if !k.Running || !k.Enough {
		return ""
	}
	return fmt.Sprintf("%.2f", k.PBest)
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
