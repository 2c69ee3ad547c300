package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/chsql"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// ErrAborted says that a line was given up with Ctrl-C.
var ErrAborted = errors.New("line given up")

// Shell asks what a person types, until they leave.
type Shell struct {
	Asker
	// Line reads a line: ErrAborted when it was given up, io.EOF at the end.
	Line func(ctx context.Context, prompt string) (string, error)
	// Interruptible returns a context that ends when the person has enough of an answer.
	Interruptible func(context.Context) (context.Context, context.CancelFunc)
}

const help = `A statement ends with ; and may have several lines. Every statement is read-only.
  \d         tables, with what they hold
  \d TABLE   the columns of a table
  \q         leave; so do exit and Ctrl-D
Ctrl-C stops a running statement, or gives up what was typed. A statement may end with FORMAT and the name of a format, as Vertical or JSON.
`

// Run reads and asks until the end of the lines, \q or ctx.
func (s Shell) Run(ctx context.Context) error {
	fmt.Fprintln(s.Out, `Read-only SQL on ClickHouse. \d lists the tables, \? helps, \q leaves.`)
	pending := ""
	for {
		prompt := "leeward> "
		if pending != "" {
			prompt = "      -> "
		}
		line, err := s.Line(ctx, prompt)
		switch {
		case errors.Is(err, ErrAborted):
			pending = ""
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.Out)
			return nil
		case err != nil:
			return err
		}
		if pending == "" {
			word := strings.TrimRight(strings.TrimSpace(line), "; ")
			if leaves(word) {
				return nil
			}
			if strings.HasPrefix(word, `\`) || strings.EqualFold(word, "help") {
				s.tell(s.command(ctx, word))
				continue
			}
		}
		var statements []string
		statements, pending = chsql.Cut(pending + line + "\n")
		for _, statement := range statements {
			if s.one(ctx, statement) != nil {
				break
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func leaves(word string) bool {
	switch strings.ToLower(word) {
	case `\q`, "exit", "quit":
		return true
	}
	return false
}

// one asks a statement and says how long that took. An error is told and returned.
func (s Shell) one(ctx context.Context, statement string) error {
	begun := time.Now()
	rows, err := s.interruptible(ctx, statement)
	took := fmt.Sprintf("%.3f s", time.Since(begun).Seconds())
	switch {
	case err != nil:
		s.tell(err)
		fmt.Fprintf(s.Out, "after %s\n\n", took)
	case rows == 1:
		fmt.Fprintf(s.Out, "1 row in %s\n\n", took)
	case rows >= 0:
		fmt.Fprintf(s.Out, "%d rows in %s\n\n", rows, took)
	default:
		fmt.Fprintf(s.Out, "in %s\n\n", took)
	}
	return err
}

func (s Shell) interruptible(ctx context.Context, statement string, args ...any) (Rows, error) {
	ctx, stop := s.Interruptible(ctx)
	defer stop()
	return s.Ask(ctx, statement, args...)
}

func (s Shell) tell(err error) {
	if err != nil {
		fmt.Fprintln(s.Out, Cleaned(err.Error()))
	}
}

// command does what begins with a backslash.
func (s Shell) command(ctx context.Context, line string) error {
	name, argument, _ := strings.Cut(line, " ")
	argument = strings.TrimSpace(argument)
	switch {
	case name == `\d` && argument == "":
		_, err := s.interruptible(ctx, "SELECT name, engine, comment FROM system.tables WHERE database = currentDatabase() AND NOT is_temporary ORDER BY name")
		return err
	case name == `\d`:
		return s.describe(ctx, argument)
	case name == `\?`, name == `\h`, name == `\help`, strings.EqualFold(name, "help"):
		_, err := io.WriteString(s.Out, help)
		return err
	}
	return fmt.Errorf(`there is no %s; \? lists what there is`, name)
}

// describe shows a table's columns; its name may be quoted and have its database before it.
func (s Shell) describe(ctx context.Context, name string) error {
	database, table, qualified := strings.Cut(strings.NewReplacer("`", "", `"`, "").Replace(name), ".")
	if !qualified {
		database, table = "", database
	}
	args := []any{clickhouse.Named("database", database), clickhouse.Named("table", table)}
	rows, err := s.interruptible(ctx, `SELECT name, type, comment FROM system.columns
		WHERE database = if({database:String} = '', currentDatabase(), {database:String}) AND table = {table:String} ORDER BY position`, args...)
	if err == nil && rows == 0 {
		return fmt.Errorf(`there is no table %s; \d lists those there are`, name)
	}
	return err
}
