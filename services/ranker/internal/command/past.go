package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/history"
)

// Show prints a ranking in an output format, table or json.
type Show func(w io.Writer, r schemas.Ranking, output string) error

// past is a ranking that is computed again.
type past struct {
	at, dsn        string
	active, output string
	explain        bool
	show           Show
}

// Past gives the command that shows the ranking of now the flag --at, with which it computes one of the past again.
func Past(cmd *cobra.Command, show Show) {
	now, p := cmd.RunE, past{show: show}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.active, _ = cmd.Flags().GetString("active")
		p.output, _ = cmd.Flags().GetString("output")
		switch {
		case p.explain && p.output == "json":
			return errors.New("--explain is for the table: the JSON form holds the inputs")
		case p.at == "" && p.explain:
			return p.explained(cmd, args, now)
		case p.at == "":
			return now(cmd, args)
		}
		return p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0])
	}
	cmd.Long += "\nWith --at it is the ranking that was the newest at that time, computed again from the inputs stored in ClickHouse, for every active region or that of --active.\n" +
		"Whether it is what was published, byte for byte, is said on standard error and by the exit code."
	cmd.Flags().StringVar(&p.at, "at", "", "a time of the past, as 2026-11-28T02:00:00Z, or 2026-11-28 02:00:00 in UTC")
	cmd.Flags().BoolVar(&p.explain, "explain", false, "show every vantage's weight and its part of every cost too, with its samples, and every gate with its value, threshold and age")
	dsnFlag(cmd, &p.dsn)
}

func dsnFlag(cmd *cobra.Command, dsn *string) {
	state := cmp.Or(os.Getenv("LEEWARD_STATE"), ".state/leeward")
	reference := cmp.Or(os.Getenv("LEEWARD_CLICKHOUSE_DSN"), "file:"+filepath.Join(state, "clickhouse-dsn"))
	cmd.Flags().StringVar(dsn, "dsn", reference, "reference to the DSN of ClickHouse, env:NAME or file:PATH ($LEEWARD_CLICKHOUSE_DSN)")
}

// open connects to the ClickHouse that a reference names.
func open(dsn string) (*clickhouse.DB, error) {
	resolved, err := env.Resolve(dsn, os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("--dsn: %w", err)
	}
	return clickhouse.Open(resolved)
}

func (p past) run(ctx context.Context, out, told io.Writer, app string) error {
	at, err := timeOf(p.at)
	if err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	db, err := open(p.dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	stored, err := history.At(clickhouse.ReadOnly(ctx), db, app, at)
	if err != nil {
		return err
	}
	r, err := stored.Again()
	if len(r.Orders) == 0 {
		return err
	}
	if p.active != "" {
		r.Orders = slices.DeleteFunc(r.Orders, func(o schemas.Order) bool { return o.Active != p.active })
		if len(r.Orders) == 0 {
			return fmt.Errorf("--active: %s had no endpoint in a region named %s", app, p.active)
		}
	}
	if shown := p.show(out, r, p.output); shown != nil {
		return shown
	}
	if p.explain {
		if shown := explain(out, r); shown != nil {
			return shown
		}
	}
	if err == nil {
		fmt.Fprintf(told, "The ranking of %s, computed again: byte for byte what was published, SHA-256 %s\n", r.At.Format(time.RFC3339Nano), stored.Digest)
	}
	return err
}

func timeOf(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-11-28T02:00:00Z, or 2026-11-28 02:00:00 in UTC", text)
}
