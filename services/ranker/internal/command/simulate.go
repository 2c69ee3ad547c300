package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/services/ranker/internal/simulate"
)

func simulateCommand() *cobra.Command {
	var o simulate.Options
	var matrix string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "simulate", Short: "Count how often what the ranking claims is so, in worlds whose truth is known", Args: cobra.NoArgs,
		Long: "Draws measurements with jitter, outliers, losses and shocks that last, on recorded round trips between regions, ranks them as the ranking service does, and compares\n" +
			"intervals, chances and wins with the truth. The columns of the matrix are window_end,src,dst,avg_rtt_ms.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := readMatrix(matrix)
			if err != nil {
				return err
			}
			o.Progress = progress(cmd.ErrOrStderr())
			r, err := simulate.Run(cmd.Context(), m, o)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			return claims(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().StringVar(&matrix, "matrix", "", "CSV file of round trips")
	cmd.Flags().IntVar(&o.Runs, "runs", 1000, "worlds that are ranked once each, and pairs of equal regions")
	cmd.Flags().IntVar(&o.Apps, "apps", 4, "apps that are watched through time; 0 leaves that out")
	cmd.Flags().Float64Var(&o.Hours, "hours", 24, "simulated hours that each of these apps is watched")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of everything that is drawn")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	_ = cmd.MarkFlagRequired("matrix")
	return cmd
}

// progress shows how far the simulation is where somebody looks, and says nothing elsewhere.
func progress(w io.Writer) func(done, total int) {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return nil
	}
	return func(done, total int) {
		fmt.Fprintf(f, "\rsimulated %d of %d", done, total)
		if done == total {
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}

func claims(w io.Writer, r simulate.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "intervals\theld the truth\tof\t")
	for _, c := range r.Coverage {
		fmt.Fprintf(t, "%.0f %%\t%.1f %%\t%d\t\n", c.Level*100, c.Share*100, c.Intervals)
	}
	fmt.Fprintln(t, "\nP(best)\tclaimed\twas best\tclaims\t")
	for _, b := range r.Bins {
		fmt.Fprintf(t, "from %.1f\t%.3f\t%.3f\t%d\t\n", b.From, b.Mean, b.Share, b.Claims)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nexpected calibration error of P(best)    %.4f\n", r.ECE)
	fmt.Fprintf(w, "first was the best                       %.1f %% of %d windows, regret %.2f ms, claimed %.2f ms\n", r.FirstBest*100, r.Windows, r.RegretMS, r.ClaimedRegretMS)
	fmt.Fprintf(w, "a winner was claimed                     %.1f %%, and was the best in %.1f %% of them\n", r.Claimed*100, r.ClaimedBest*100)
	fmt.Fprintf(w, "one of two equal regions won             %.1f %%\n", r.FalseWins*100)
	if s := r.Watched; s != nil {
		fmt.Fprintf(w, "changes between two equal regions        %.2f a day, %d apps, %.0f hours each\n", s.FlapsPerDay, s.Apps, s.Hours)
		for _, q := range s.Shifts {
			fmt.Fprintf(w, "30 %% slower, found by the %.2f quantile   %.0f %% of %d apps, %.0f %% within 5 minutes, median %.1f minutes, 90th percentile %.1f\n",
				q.Quantile, q.Found*100, q.Apps, q.WithinFive*100, q.MedianMinutes, q.P90Minutes)
		}
	}
	return nil
}
