package command

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
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
		return fmt.Errorf("what this ranking was computed from is too large for the bus; ClickHouse has it: leeward rank %s --explain --at %s", r.App, r.At.Format(time.RFC3339Nano))
	}
	return explain(out, r)
}

// explain prints how much every vantage counts, its part of every cost, and every gate.
func explain(w io.Writer, r schemas.Ranking) error {
	if err := weights(w, r.Inputs); err != nil {
		return err
	}
	if err := costs(w, r.Inputs); err != nil {
		return err
	}
	for _, o := range r.Orders {
		if err := gates(w, o, r.At); err != nil {
			return err
		}
	}
	return nil
}

// gates prints what every gate of an order looked at, and how old that was when the ranking was made.
func gates(w io.Writer, o schemas.Order, at time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nGates, traffic in %s\nregion\tvariant\tgate\tresult\tvalue\tthreshold\tage\tevidence\n", o.Active)
	for _, c := range o.Candidates {
		for _, g := range c.Gates {
			age := ""
			if !g.EvidenceAt.IsZero() {
				age = at.Sub(g.EvidenceAt).Round(100 * time.Millisecond).String()
			}
			fmt.Fprintln(t, strings.Join([]string{c.Region, c.Variant, g.Name, string(g.Result), g.Value, g.Threshold, age, g.Evidence}, "\t"))
		}
	}
	return t.Flush()
}

func costs(w io.Writer, inputs json.RawMessage) error {
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
