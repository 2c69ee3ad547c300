package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/env"
)

func sqlCommand() *cobra.Command {
	dsn, format, output := "", "", ""
	cmd := &cobra.Command{
		Use: "sql [QUERY]", Short: "Ask ClickHouse: one query, or those of standard input, each ended by ;", Args: cobra.MaximumNArgs(1),
		Example: `  leeward sql "SELECT region, round(quantile(0.95)(latency_us) / 1000, 1) AS p95_ms FROM samples WHERE kind = 'http' AND outcome = 'ok' GROUP BY region ORDER BY p95_ms"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			resolved, err := env.Resolve(dsn, os.Getenv)
			if err != nil {
				return fmt.Errorf("--dsn: %w", err)
			}
			db, err := clickhouse.Open(resolved)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			if format == "" {
				format = map[string]string{"table": "PrettyCompact", "json": "JSON"}[output]
			}
			if format == "" {
				return fmt.Errorf("-o %s: the formats are table and json; --format takes any of ClickHouse's", output)
			}
			if len(args) == 1 {
				return ask(cmd.Context(), db, cmd.OutOrStdout(), format, args[0])
			}
			return askEach(cmd.Context(), db, cmd.InOrStdin(), cmd.OutOrStdout(), format)
		},
	}
	reference := os.Getenv("LEEWARD_CLICKHOUSE_DSN")
	if reference == "" {
		reference = "file:" + filepath.Join(defaultState(), "clickhouse-dsn")
	}
	cmd.Flags().StringVar(&dsn, "dsn", reference, "reference to the DSN, env:NAME or file:PATH ($LEEWARD_CLICKHOUSE_DSN)")
	cmd.Flags().StringVar(&format, "format", "", "any of ClickHouse's output formats, as CSVWithNames")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// ask runs one query that may only read.
func ask(ctx context.Context, db *clickhouse.DB, w io.Writer, format, query string) error {
	return db.QueryFormat(clickhouse.ReadOnly(ctx), w, format, query)
}

func askEach(ctx context.Context, db *clickhouse.DB, r io.Reader, w io.Writer, format string) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	failed := 0
	var query strings.Builder
	for scanner.Scan() {
		query.WriteString(scanner.Text() + "\n")
		if !strings.HasSuffix(strings.TrimSpace(scanner.Text()), ";") {
			continue
		}
		text := strings.TrimSuffix(strings.TrimSpace(query.String()), ";")
		query.Reset()
		if err := ask(ctx, db, w, format, text); err != nil {
			// The next query is asked all the same: whoever types would not want to start again.
			fmt.Fprintln(os.Stderr, err)
			failed++
		}
	}
	var last error
	if rest := strings.TrimSpace(query.String()); rest != "" {
		last = ask(ctx, db, w, format, rest)
	}
	if failed > 0 {
		last = errors.Join(last, fmt.Errorf("%d queries failed", failed))
	}
	return errors.Join(scanner.Err(), last)
}
