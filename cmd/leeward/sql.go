package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/peterh/liner"
	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/shell"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/env"
)

func sqlCommand() *cobra.Command {
	dsn, format, output, file := "", "", "", ""
	cmd := &cobra.Command{
		Use: "sql [QUERY]", Short: "Ask ClickHouse, read-only: a query, a file, standard input, or a shell", Args: cobra.MaximumNArgs(1),
		Long: "Asks the query; without one those of --file or of standard input, each ended by ; and each asked although one before it failed;\n" +
			"and on a terminal it is a shell. Nothing can be changed by it: data, tables or settings.\n" +
			"A query may end with FORMAT and a name, which goes before --format.",
		Example: `  leeward sql "SELECT region, round(quantile(0.95)(latency_us) / 1000, 1) AS p95_ms FROM samples WHERE kind = 'http' AND outcome = 'ok' GROUP BY region ORDER BY p95_ms"
  leeward sql --format Parquet "SELECT * FROM samples WHERE due > now() - INTERVAL 1 HOUR" > samples.parquet`,
		RunE: func(cmd *cobra.Command, args []string) error {
			terminal := isTerminal(cmd.OutOrStdout())
			format, err := formatOf(format, output, terminal)
			if err != nil {
				return err
			}
			if len(args) == 1 && file != "" {
				return errors.New("a query and --file: one of them")
			}
			resolved, err := env.Resolve(dsn, os.Getenv)
			if err != nil {
				return fmt.Errorf("--dsn: %w", err)
			}
			db, err := clickhouse.Open(resolved)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			asker := shell.Asker{DB: db, Out: cmd.OutOrStdout(), Format: format, Terminal: terminal}
			in := cmd.InOrStdin()
			switch {
			case len(args) == 1:
				return query(cmd.Context(), asker, args[0])
			case file != "":
				opened, err := os.Open(file)
				if err != nil {
					return err
				}
				defer func() { _ = opened.Close() }()
				in = opened
			case terminal && isTerminal(in):
				return interact(cmd.Context(), asker)
			}
			return script(cmd.Context(), asker, in, cmd.ErrOrStderr())
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown flag: -- ") {
			return errors.New("a query that begins with a comment is taken for a flag: put -- before it, as in leeward sql -- QUERY, or give it by --file or standard input")
		}
		return err
	})
	reference := os.Getenv("LEEWARD_CLICKHOUSE_DSN")
	if reference == "" {
		reference = "file:" + filepath.Join(defaultState(), "clickhouse-dsn")
	}
	cmd.Flags().StringVar(&dsn, "dsn", reference, "reference to the DSN, env:NAME or file:PATH ($LEEWARD_CLICKHOUSE_DSN)")
	cmd.Flags().StringVar(&format, "format", "", "any of ClickHouse's output formats, as CSVWithNames (default PrettyCompact on a terminal, else TabSeparated)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "table or json, short for --format PrettyCompact and JSON")
	cmd.Flags().StringVarP(&file, "file", "f", "", "ask the queries of this file")
	cmd.MarkFlagsMutuallyExclusive("format", "output")
	return cmd
}

// formatOf is the output format of a query that names none.
func formatOf(format, output string, terminal bool) (string, error) {
	switch {
	case format != "":
		return format, nil
	case output == "json":
		return "JSON", nil
	case output == "table", output == "" && terminal:
		return "PrettyCompact", nil
	case output == "":
		return "TabSeparated", nil
	}
	return "", fmt.Errorf("-o %s: the formats are table and json; --format takes any of ClickHouse's", output)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// script asks what a file or a pipe holds, and tells each error where it comes.
func script(ctx context.Context, asker shell.Asker, in io.Reader, told io.Writer) error {
	return asker.Script(ctx, in, func(err error) { fmt.Fprintln(told, err) })
}

// query asks what stands on the command line. Its errors are the command's.
func query(ctx context.Context, asker shell.Asker, text string) error {
	var errs []error
	if err := asker.Script(ctx, strings.NewReader(text), func(err error) { errs = append(errs, err) }); len(errs) == 0 {
		return err
	}
	return errors.Join(errs...)
}

// interact is the shell on a terminal.
func interact(ctx context.Context, asker shell.Asker) error {
	// Ctrl-C stops a statement and not the shell, so its context is not that of the command, which ends with the first one.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
	defer stop()
	editor := liner.NewLiner()
	defer func() { _ = editor.Close() }()
	editor.SetCtrlCAborts(true)
	history := historyFile()
	if f, err := os.Open(history); err == nil {
		_, _ = editor.ReadHistory(f)
		_ = f.Close()
	}
	err := shell.Shell{Asker: asker, Line: lineOf(editor), Interruptible: func(ctx context.Context) (context.Context, context.CancelFunc) {
		return signal.NotifyContext(ctx, os.Interrupt)
	}}.Run(ctx)
	return errors.Join(err, keepHistory(editor, history))
}

// lineOf reads lines with history. The read itself can not be ended: told to end, the shell leaves it behind, and the process ends with it.
func lineOf(editor *liner.State) func(context.Context, string) (string, error) {
	type entered struct {
		line string
		err  error
	}
	return func(ctx context.Context, prompt string) (string, error) {
		read := make(chan entered, 1)
		go func() {
			line, err := editor.Prompt(prompt)
			read <- entered{line, err}
		}()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case e := <-read:
			if errors.Is(e.err, liner.ErrPromptAborted) {
				return "", shell.ErrAborted
			}
			if e.err == nil && strings.TrimSpace(e.line) != "" {
				editor.AppendHistory(e.line)
			}
			return e.line, e.err
		}
	}
}

// historyFile is where the lines of earlier shells are; empty for nowhere.
func historyFile() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "leeward", "sql-history")
}

func keepHistory(editor *liner.State, path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep history: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep history: %w", err)
	}
	_, err = editor.WriteHistory(f)
	return errors.Join(err, f.Close())
}
