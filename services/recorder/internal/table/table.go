// Package table turns messages into the columns of ClickHouse's tables. It does no I/O, and the same messages always give the same rows: a retry depends on it.
package table

import (
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Rows are what a block of messages adds to one table.
type Rows struct {
	Table string
	// Part tells the INSERTs of one block into one table apart; a table that gets one has none.
	Part    string
	Count   int
	Columns []clickhouse.Column
}

// How far a time in a message may lie from the moment the bus stored it. A clock beyond that is wrong, and each wrong day or month would be a partition of its own.
const (
	oldest = 14 * 24 * time.Hour
	newest = time.Hour
)

func plausible(what string, at, stored time.Time) error {
	if at.Before(stored.Add(-oldest)) || at.After(stored.Add(newest)) {
		return fmt.Errorf("%s %s is not between %s before and %s after it was stored, %s", what, at.UTC().Format(time.RFC3339), oldest, newest, stored.UTC().Format(time.RFC3339))
	}
	return nil
}

// column makes a column of rows. The hot path, samples, keeps columns from the start instead.
func column[R, V any](name string, rows []R, value func(R) V) clickhouse.Column {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = value(r)
	}
	return clickhouse.Column{Name: name, Values: values}
}

// gateColumns makes the three columns of a nested list of gates.
func gateColumns[R any](rows []R, gates func(R) []schemas.Gate) []clickhouse.Column {
	part := func(name string, text func(schemas.Gate) string) clickhouse.Column {
		return column(name, rows, func(r R) []string { return list(gates(r), text) })
	}
	return []clickhouse.Column{
		part("gates.name", func(g schemas.Gate) string { return g.Name }),
		part("gates.result", func(g schemas.Gate) string { return string(g.Result) }),
		part("gates.evidence", func(g schemas.Gate) string { return g.Evidence }),
	}
}

func list[T, V any](items []T, value func(T) V) []V {
	values := make([]V, len(items))
	for i, item := range items {
		values[i] = value(item)
	}
	return values
}
