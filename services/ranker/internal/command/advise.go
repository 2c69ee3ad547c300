package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/services/ranker/internal/advise"
)

func adviseCommand() *cobra.Command {
	var dsn, since, output string
	cmd := &cobra.Command{
		Use: "advise APP", Short: "List what to look at: regions never eligible, candidates and vantages that add nothing, the best primary", Args: cobra.ExactArgs(1),
		Long: "Reads the app's rankings, measurements and failovers in ClickHouse, and lists what was so all the time: regions that traffic could never move to and the\n" +
			"gate to blame, candidates that another was always better than, vantages that add nothing, how the regions compare as primary, how fast and how\n" +
			"complete a recovery would be, and which DNS time to live fits. It changes nothing.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("-o %s: the formats are table and json", output)
			}
			back, err := daysOrDuration(since)
			if err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			db, err := open(dsn)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			now := time.Now()
			r, err := advise.Read(clickhouse.ReadOnly(cmd.Context()), db, args[0], now.Add(-back), now)
			if err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			return advice(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().StringVar(&since, "since", "24h", "how far back, as 90m or 30d")
	dsnFlag(cmd, &dsn)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// advice prints a report in parts, each with what it means.
func advice(w io.Writer, r advise.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s from %s to %s: %d rankings, %d of them computed again\n", r.App, r.From.Format(time.DateTime), r.Until.Format(time.DateTime), r.Rankings, r.Played)
	fmt.Fprintln(t, "\nRegions that traffic could never move to")
	for _, b := range r.Barred {
		why := "nothing runs there"
		if b.Gate != "" {
			why = fmt.Sprintf("%s in %.0f %% of the rankings\t%s", b.Gate, 100*b.Share, b.Evidence)
		}
		fmt.Fprintf(t, "  %s from %s\t%s\n", b.Region, b.Active, why)
	}
	none(t, len(r.Barred))
	fmt.Fprintln(t, "\nCandidates that another was cheaper than in every ranking, and passed whenever they did")
	for _, d := range r.Dominated {
		fmt.Fprintf(t, "  %s\tby %s\tother regions that were: %s\n", d.Candidate, d.By, cmp.Or(strings.Join(d.Regions, ", "), "none"))
	}
	none(t, len(r.Dominated))
	fmt.Fprintln(t, "\nVantages: choices that would have been others without it, and who sees most nearly the same")
	for _, v := range r.Vantages {
		says := "adds something"
		if !v.Adds {
			says = "adds nothing to the order; it still counts for the quorum"
		}
		fmt.Fprintf(t, "  %s\t%d of %d\t%s within %.0f %%\t%s\n", v.Name, v.Changed, v.Choices, cmp.Or(v.Twin, "nobody"), 100*v.Apart, says)
	}
	fmt.Fprintln(t, "\nRegions as primary: cost with writes inside, other regions that traffic could always move to, cost there")
	for _, p := range r.Primaries {
		elsewhere := "nowhere to fail over to"
		if p.FailoverMS > 0 {
			elsewhere = fmt.Sprintf("%.1f ms", p.FailoverMS)
		}
		fmt.Fprintf(t, "  %s\t%.1f ms\t%d\t%s\n", p.Region, p.CostMS, p.Failovers, elsewhere)
	}
	if r.NoPrimaries != "" {
		fmt.Fprintf(t, "  not known: %s\n", r.NoPrimaries)
	}
	recovery(t, r.Recovery)
	drain(t, r.Drain)
	return t.Flush()
}

func recovery(w io.Writer, r advise.Recovery) {
	fmt.Fprintf(w, "\nRecovery time\n  a region that stops answering is judged down after %.1f s\n", r.ExpectedDetectionSeconds)
	if r.Failovers > 0 {
		fmt.Fprintf(w, "  slowest of %d failovers: %.1f s from the first sign to the decision, %.1f s to traffic seen in the new region\n", r.Failovers, r.DetectionSeconds, r.ShiftSeconds)
	} else {
		fmt.Fprintln(w, "  no failover ended well in this time: nobody knows how long the move takes until it was tried")
	}
	fmt.Fprintln(w, "\nRecovery point: how far databases were behind, 99 % of the time")
	for _, l := range r.Lags {
		switch {
		case l.P99Seconds == nil:
			fmt.Fprintf(w, "  %s\tnever measured well\n", l.Region)
		case r.LimitSeconds > 0:
			fmt.Fprintf(w, "  %s\t%.2f s\tof %g s allowed\n", l.Region, *l.P99Seconds, r.LimitSeconds)
		default:
			fmt.Fprintf(w, "  %s\t%.2f s\n", l.Region, *l.P99Seconds)
		}
	}
	none(w, len(r.Lags))
}

func drain(w io.Writer, d advise.Drain) {
	fmt.Fprintln(w, "\nDNS time to live: what fits records that name regions")
	if d.Failovers == 0 {
		fmt.Fprintln(w, "  not known: no load went through the entry while traffic was moved, so that nothing measured how long the region left was still asked")
		return
	}
	fmt.Fprintf(w, "  at most %d s: a resolver may hold a record that long, and the last request that a region left has answered was sent %.1f s after the shift, in the slowest of %d failovers\n",
		d.TTLSeconds, d.Seconds, d.Failovers)
}

func none(w io.Writer, found int) {
	if found == 0 {
		fmt.Fprintln(w, "  none")
	}
}
