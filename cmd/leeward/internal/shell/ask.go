// Package shell asks ClickHouse what people type or keep in files, read-only, and shows its answers as they can be shown.
package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/leeward-failover/leeward/pkg/chsql"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// Asker asks single statements.
type Asker struct {
	DB  *clickhouse.DB
	Out io.Writer
	// Format is the output format of a statement that names none.
	Format string
	// Terminal says that Out is one, so that what it would obey is kept from it.
	Terminal bool
}

// Rows is how many rows an answer had, -1 where its format does not tell.
type Rows int

// Ask asks one statement and writes its answer.
func (a Asker) Ask(ctx context.Context, statement string, args ...any) (Rows, error) {
	q, err := chsql.ParseQuery(statement)
	switch {
	case err != nil:
		return 0, err
	case q.Outfile:
		return 0, errors.New("INTO OUTFILE and FROM INFILE are not for here: send standard output to a file, as in leeward sql --format Parquet QUERY > FILE")
	case q.Verb == "USE":
		return 0, errors.New("USE changes nothing here, for every statement is asked by itself: write database.table")
	case q.Verb == "KILL":
		// ClickHouse takes it for reading, and the embedded engine has one user: it would end the recorder's INSERTs.
		return 0, errors.New("KILL ends what others run, so it is not for here; Ctrl-C ends a statement of your own")
	}
	out := a.Out
	if a.Terminal {
		clean := &Clean{Out: a.Out}
		defer func() { _ = clean.Close() }()
		out = clean
	}
	format := cmp.Or(q.Format, a.Format)
	rows := counterOf(format)
	if rows != nil {
		out = io.MultiWriter(out, rows)
	}
	if err := a.DB.QueryFormat(clickhouse.ReadOnly(ctx), out, format, q.Bare, args...); err != nil {
		return 0, plain(ctx, err)
	}
	if rows == nil {
		return -1, nil
	}
	return Rows(rows.n), nil
}

// ErrStopped says that whoever asked did not wait for the answer.
var ErrStopped = errors.New("stopped")

const unknownFormat = 73

// plain is an error in the words of ClickHouse.
func plain(ctx context.Context, err error) error {
	message := Cleaned(clickhouse.Message(err))
	switch {
	case ctx.Err() != nil:
		return ErrStopped
	case clickhouse.Code(err) == unknownFormat:
		return fmt.Errorf(`%s; SELECT name FROM system.formats WHERE is_output lists those there are`, message)
	case message != "":
		return fmt.Errorf("code %d: %s", clickhouse.Code(err), shortened(message))
	case clickhouse.Retryable(err):
		return fmt.Errorf("ClickHouse does not answer; is `leeward up` running, or does --dsn name another one? %w", outage(err))
	}
	return err
}

// outage is what the network says, where it says something, without the driver's words before it.
func outage(err error) error {
	if network := (*net.OpError)(nil); errors.As(err, &network) {
		return network
	}
	return errors.Unwrap(err)
}

// shortened leaves out most of what the parser would have liked instead.
func shortened(message string) string {
	const most = 200
	before, expected, ok := strings.Cut(message, "Expected one of: ")
	if !ok || len(expected) <= most {
		return message
	}
	cut := strings.LastIndex(expected[:most], ", ")
	return before + "Expected one of: " + expected[:max(cut, 0)] + ", …"
}

// Script asks every statement of a text, each ended by a semicolon but for the last. The next one is asked although one failed:
// nothing can have changed. failed is told each error.
func (a Asker) Script(ctx context.Context, r io.Reader, failed func(error)) error {
	lines := newLines(r)
	pending, bad, asked := "", 0, 0
	ask := func(statements []string) {
		for _, statement := range statements {
			asked++
			if ctx.Err() != nil {
				return
			}
			if _, err := a.Ask(ctx, statement); err != nil {
				bad++
				failed(err)
			}
		}
	}
	for {
		line, err := lines.next()
		pending += line
		var statements []string
		if strings.Contains(line, ";") {
			statements, pending = chsql.Cut(pending)
		}
		if errors.Is(err, io.EOF) {
			last, err := chsql.Split(pending)
			ask(append(statements, last...))
			if err != nil {
				return fmt.Errorf("the last statement: %w", err)
			}
			break
		}
		if err != nil {
			return err
		}
		ask(statements)
		if ctx.Err() != nil {
			return ErrStopped
		}
	}
	switch {
	case ctx.Err() != nil:
		return ErrStopped
	case bad > 0:
		return fmt.Errorf("%d of %d statements failed", bad, asked)
	case asked == 0:
		return errors.New("there is no statement to ask")
	}
	return nil
}
