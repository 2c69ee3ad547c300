// Package command is the ranker's part of the CLI: it judges the ranking by recorded and by simulated measurements, and speaks to no service.
package command

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

// All returns the commands.
func All() []*cobra.Command {
	return []*cobra.Command{backtestCommand(), replayCommand(), simulateCommand(), adviseCommand()}
}

func backtestCommand() *cobra.Command {
	var o backtest.Options
	var matrix string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "backtest", Short: "Judge the ranking's choices by recorded round trips between regions", Args: cobra.NoArgs,
		Long: "Plays weekly round trips between regions to the ranker's stability, each region in turn the one that failed, and judges every choice by the round trips\n" +
			"some weeks later, beside simple rules. The columns of the matrix are window_end,src,dst,avg_rtt_ms: averages of about 30 days, one each week.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := readMatrix(matrix)
			if err != nil {
				return err
			}
			r, err := backtest.Run(cmd.Context(), m, o)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			return scores(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().StringVar(&matrix, "matrix", "", "CSV file of round trips")
	cmd.Flags().IntVar(&o.Horizon, "horizon", 1, "how many weeks ahead a choice is judged")
	cmd.Flags().IntVar(&o.Mixes, "mixes", 50, "mixes of clients drawn for each failed region")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of the mixes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	_ = cmd.MarkFlagRequired("matrix")
	return cmd
}

func readMatrix(path string) (backtest.Matrix, error) {
	f, err := os.Open(path)
	if err != nil {
		return backtest.Matrix{}, err
	}
	defer func() { _ = f.Close() }()
	m, err := backtest.Read(f)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func scores(w io.Writer, r backtest.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "rule\tdecisions\tagreement\tmean regret ms\tp95 regret ms\tchanges\tneedless\t")
	line := func(name string, s backtest.Score) {
		fmt.Fprintf(t, "%s\t%d\t%.4f\t%.4f\t%.3f\t%d\t%d\t\n", name, s.Decisions, s.Agreement, s.MeanRegretMS, s.P95RegretMS, s.Changes, s.NeedlessChanges)
	}
	line("ranker", r.Score)
	for _, name := range slices.Sorted(maps.Keys(r.Baselines)) {
		line(name, r.Baselines[name])
	}
	return t.Flush()
}
