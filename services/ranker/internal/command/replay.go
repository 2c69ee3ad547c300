package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/history"
)

func replayCommand() *cobra.Command {
	var policy, since, dsn string
	var every time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use: "replay", Short: "Show what another leeward.yaml would have chosen in the past", Args: cobra.NoArgs,
		Long: "Computes the stored rankings of each app again with the objective, the gates and the quorum of another leeward.yaml, and lists where another candidate would\n" +
			"have been published, and which failovers would have gone elsewhere. Regions, endpoints and measurements are those of the time.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			back, err := daysOrDuration(since)
			if err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			if every < 0 {
				return fmt.Errorf("--every: %s is negative (as 1m, or leave it out for all rankings)", every)
			}
			topology, err := readPolicy(policy)
			if err != nil {
				return err
			}
			db, err := open(dsn)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			reports, err := replay(clickhouse.ReadOnly(cmd.Context()), db, topology, time.Now().Add(-back), every)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(reports)
			}
			return differences(cmd.OutOrStdout(), reports)
		},
	}
	cmd.Flags().StringVar(&policy, "policy", "", "the other leeward.yaml")
	cmd.Flags().StringVar(&since, "since", "24h", "how far back, as 90m or 30d")
	cmd.Flags().DurationVar(&every, "every", 0, "compute only one ranking in every so long, which is faster and finds a change that much later (default all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	dsnFlag(cmd, &dsn)
	_ = cmd.MarkFlagRequired("policy")
	return cmd
}

func readPolicy(path string) (schemas.Topology, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return schemas.Topology{}, err
	}
	return config.Parse(path, data)
}

// replay plays the history of every app of the topology. The name of an error's place is that of the file.
func replay(ctx context.Context, db *clickhouse.DB, topology schemas.Topology, after time.Time, every time.Duration) ([]history.Report, error) {
	reports := []history.Report{}
	for _, app := range topology.Apps {
		decided, err := history.Decided(ctx, db, app.Name, after)
		if err != nil {
			return nil, err
		}
		p := history.NewReplay(app, decided)
		if err := history.Since(ctx, db, app.Name, after, every, p.Next); err != nil {
			return nil, err
		}
		reports = append(reports, p.Report())
	}
	return reports, nil
}

func differences(w io.Writer, reports []history.Report) error {
	for _, r := range reports {
		if r.Rankings == 0 {
			fmt.Fprintf(w, "%s: no ranking is stored\n", r.App)
			continue
		}
		fmt.Fprintf(w, "%s: %d rankings from %s to %s; %d times another choice, %d of %d failovers elsewhere\n", r.App, r.Rankings,
			r.From.Format(time.DateTime), r.To.Format(time.DateTime), len(r.Differences), len(r.Failovers), r.Decided)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		if len(r.Differences) > 0 {
			fmt.Fprintln(t, "active\tfrom\tto\trankings\tpublished\tinstead\twhy")
		}
		for _, d := range r.Differences {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", d.Active, d.From.Format(time.DateTime), d.To.Format(time.DateTime), d.Rankings, nameOf(d.Published), nameOf(d.Instead), d.Reason)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, f := range r.Failovers {
			fmt.Fprintf(w, "failover %s at %s from %s went to %s, would have gone to %s\n", f.Plan, f.At.Format(time.DateTime), f.From, nameOf(f.To), nameOf(f.Instead))
		}
	}
	return nil
}

func nameOf(c schemas.Candidate) string {
	if c == (schemas.Candidate{}) {
		return "nowhere"
	}
	return c.String()
}

// daysOrDuration reads a duration as Go does, or a number of days.
func daysOrDuration(text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(number, 10, 16)
		if err == nil && days > 0 {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a time such as 90m, 24h or 30d", text)
}
