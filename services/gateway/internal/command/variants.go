package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/scoreboard"
)

func variantsCommand() *cobra.Command {
	c := &client{}
	cmd := &cobra.Command{
		Use: "variants APP", Short: "Compare an app's variants, region by region", Args: cobra.ExactArgs(1),
		Long: "Shows each variant in each region: what its image weighs; how long it takes from the region's registry to the first healthy answer on the builder's machine, cold and warm;\n" +
			"and how long requests take. Times are medians, below them the 95 % interval, which a benchmark has from six runs on. * marks the best variant of a region and = those that the\n" +
			"data can not tell apart, at the cost and at the time from nothing. Every benchmark is in ClickHouse: leeward sql \"SELECT * FROM image_benchmarks\".",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.variants(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	c.flags(cmd)
	return cmd
}

func (c *client) variants(ctx context.Context, w io.Writer, app string) error {
	var rows []scoreboard.Row
	if _, err := c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(app)+"/variants", nil, nil, &rows); err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(w, rows)
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "no variant runs anywhere, and no region holds an image yet")
		return nil
	}
	fmt.Fprintln(w, "From the region's registry to the first healthy answer:")
	images(w, rows)
	for _, note := range scoreboard.Notes(rows) {
		fmt.Fprintln(w, printable(note))
	}
	fmt.Fprintln(w, "\nRequests, by the window of the ranking:")
	requests(w, rows)
	return nil
}

// images shows what the images weigh and how long they take to serve.
func images(w io.Writer, rows []scoreboard.Row) {
	t := newTable(w, table.Row{"region", "variant", "MB", "layers", "wasted MB", "runs", "pull s", "unpack s", "start s", "healthy s", "in all s"})
	for _, r := range rows {
		i := r.Image
		if i == nil {
			t.AppendRow(table.Row{r.Region, r.Variant, "", "", "", "not benchmarked"})
			t.AppendSeparator()
			continue
		}
		t.AppendRow(append(table.Row{r.Region, r.Variant, megabytes(i.SizeBytes), i.Layers, fmt.Sprintf("%.1f", float64(i.WastedBytes)/1e6)}, phases("cold", i.Cold, r.ByCold)...))
		if i.Warm.Runs > 0 {
			t.AppendRow(append(table.Row{"", "", "", "", ""}, phases("warm", i.Warm, "")...))
		}
		t.AppendSeparator()
	}
	t.Render()
}

// requests shows how long requests take, and how long it would take until they are answered.
func requests(w io.Writer, rows []scoreboard.Row) {
	t := newTable(w, table.Row{"region", "variant", "p50 ms", "p95 ms", "p99 ms", "cost ms", "samples", "to serve"})
	for _, r := range rows {
		serve := toServe(r.ServeMS)
		if !r.Running {
			t.AppendRow(table.Row{r.Region, r.Variant, "", "", "", "not running", "", serve})
			continue
		}
		row := table.Row{r.Region, r.Variant}
		for _, q := range []float64{0.5, 0.95, 0.99} {
			row = append(row, request(schemas.RequestLatency{Quantiles: r.Requests}.Quantile(q)))
		}
		cost := "too few samples"
		if r.Cost != nil {
			cost = timed(r.Cost, 1, 1, r.ByCost)
		}
		samples := fmt.Sprint(r.Samples)
		if r.Failures > 0 {
			samples += fmt.Sprintf("\n%d failed", r.Failures)
		}
		t.AppendRow(append(row, cost, samples, serve))
	}
	t.Render()
}

func phases(state string, runs scoreboard.Runs, mark scoreboard.Mark) table.Row {
	n := fmt.Sprintf("%d %s", runs.Runs, state)
	if runs.Failed > 0 {
		n += fmt.Sprintf("\n%d failed", runs.Failed)
	}
	row := table.Row{n}
	for _, t := range []*scoreboard.Time{runs.Pull, runs.Unpack, runs.Start, runs.Healthy} {
		row = append(row, seconds(t, ""))
	}
	return append(row, seconds(runs.Serve, mark))
}

func seconds(t *scoreboard.Time, mark scoreboard.Mark) string {
	if t == nil {
		return ""
	}
	return timed(t, 1000, 3, mark)
}

// timed is a time in some unit of milliseconds with its mark, and with its interval below it.
func timed(t *scoreboard.Time, unit float64, digits int, mark scoreboard.Mark) string {
	text := fmt.Sprintf("%.*f", digits, t.MS/unit) + sign(mark)
	if t.Sure {
		text += fmt.Sprintf("\n%.*f – %.*f", digits, t.LowMS/unit, digits, t.HighMS/unit)
	}
	return text
}

func request(q schemas.LatencyQuantile) string {
	if !q.Enough {
		return "too few samples"
	}
	text := fmt.Sprintf("%.1f\n%.1f – %.1f", q.MS, q.LowMS, q.HighMS)
	if q.Censored {
		text = "≥ " + text
	}
	return text
}

func sign(m scoreboard.Mark) string {
	switch m {
	case scoreboard.Best:
		return " *"
	case scoreboard.Tie:
		return " ="
	}
	return ""
}

// toServe is how long a candidate takes to serve; nothing where no benchmark says.
func toServe(ms *float64) string {
	switch {
	case ms == nil:
		return ""
	case *ms == 0:
		return "at once"
	}
	return fmt.Sprintf("%.2f s", *ms/1000)
}
