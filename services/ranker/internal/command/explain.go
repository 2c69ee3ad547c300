package command

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// explained runs the command that shows the ranking of now for its JSON form, and shows that with what it was computed from.
func (p past) explained(cmd *cobra.Command, args []string, now func(*cobra.Command, []string) error) error {
	out, data := cmd.OutOrStdout(), bytes.Buffer{}
	if err := cmd.Flags().Set("output", "json"); err != nil {
		return err
	}
	cmd.SetOut(&data)
	err := now(cmd, args)
	cmd.SetOut(out)
	if err != nil {
		return err
	}
	var r schemas.Ranking
	if err := json.Unmarshal(data.Bytes(), &r); err != nil {
		return err
	}
	if err := p.show(out, r, p.output); err != nil {
		return err
	}
	if len(r.Inputs) == 0 {
		return fmt.Errorf("what this ranking was computed from is too large for the bus; ClickHouse has it: leeward rank %s --explain --at %s", r.App, r.At.Add(time.Second).Format(time.RFC3339))
	}
	return explain(out, r.Inputs)
}

// explain prints how much every vantage counts, and its part of every cost.
func explain(w io.Writer, inputs json.RawMessage) error {
	if err := weights(w, inputs); err != nil {
		return err
	}
	parts, err := rank.Parts(inputs)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nregion\tvariant\tkind\tvantage\tms\tsamples\tfailures")
	for _, c := range parts {
		least := ""
		if c.Censored {
			least = "at least "
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%.1f\t%d\t%d\n", c.Region, c.Variant, c.Kind, c.Vantage, least, c.MS, c.Samples, c.Failures)
	}
	return t.Flush()
}

func weights(w io.Writer, inputs json.RawMessage) error {
	all, err := rank.Weights(inputs)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nvantage\tregion\tweight\tfrom")
	for _, v := range all {
		fmt.Fprintf(t, "%s\t%s\t%.3f\t%s\n", v.Vantage, cmp.Or(v.Region, "-"), v.Weight, v.From)
	}
	return t.Flush()
}
