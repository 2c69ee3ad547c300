package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
)

// maxRows keeps a block below the size at which the server would cut it in two, each part with a token of its own.
const maxRows = 1_000_000

// Block is what one Insert lands: all of it or none, and once however often it is sent with the same token, as long as
// the token is within the table's deduplication window.
type Block struct {
	Table   string
	Token   string // names the content: the same token must always go with the same rows
	Columns []Column
}

// Column is a slice of values, or Names, under a column's name. All columns of a block have one length.
type Column struct {
	Name string
	// Type is the type the values are sent as, which the server makes the table's type of. When every column of a block
	// has one, the driver does not ask for the table's types first, which over HTTP takes as long as a small INSERT does.
	Type   string
	Values any
}

// length is the number of values, or -1 for what holds none.
func (c Column) length() int {
	if n, ok := c.Values.(Names); ok {
		return len(n.Index)
	}
	if v := reflect.ValueOf(c.Values); v.Kind() == reflect.Slice {
		return v.Len()
	}
	return -1
}

// Insert sends a block as one INSERT. The settings its exactly-once depends on go with every call, because their defaults
// differ between servers and releases. When it returns nil the rows are in; after an error they may be, and only the same
// block with the same token may be sent again.
func (db *DB) Insert(ctx context.Context, b Block) error {
	rows, err := b.rows()
	if err != nil {
		return fmt.Errorf("insert into %s: %w", b.Table, err)
	}
	if rows == 0 {
		return nil
	}
	if err := db.send(ctx, b); err != nil {
		return mark(fmt.Errorf("insert into %s, token %s: %w", b.Table, b.Token, err))
	}
	return nil
}

func (db *DB) send(ctx context.Context, b Block) error {
	settings, err := db.insertSettings(b.Token)
	if err != nil {
		return err
	}
	names := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		names[i] = quoteName(c.Name)
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings), clickhouse.WithColumnNamesAndTypes(b.types()))
	batch, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+quoteTable(b.Table)+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer func() { _ = batch.Close() }()
	e := encoder{batch: batch}
	for i, c := range b.Columns {
		if n, ok := c.Values.(Names); ok {
			err = e.append(i, n)
		} else {
			err = batch.Column(i).Append(c.Values)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return batch.Send()
}

// types are the types of the columns, or nil when not all of them are known.
func (b Block) types() []clickhouse.ColumnNameAndType {
	all := make([]clickhouse.ColumnNameAndType, len(b.Columns))
	for i, c := range b.Columns {
		if c.Type == "" {
			return nil
		}
		all[i] = clickhouse.ColumnNameAndType{Name: c.Name, Type: c.Type}
	}
	return all
}

func (db *DB) insertSettings(token string) (clickhouse.Settings, error) {
	server, err := db.conn.ServerVersion()
	if err != nil {
		return nil, err
	}
	settings := clickhouse.Settings{
		"async_insert":               0,
		"insert_deduplicate":         1,
		"insert_deduplication_token": token,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
	}
	if v := server.Version; v.Major > 26 || v.Major == 26 && v.Minor >= 2 { // there it overrules insert_deduplicate
		settings["deduplicate_insert"] = "enable"
	}
	return settings, nil
}

// rows checks what the driver would not: that the columns agree.
func (b Block) rows() (int, error) {
	if b.Token == "" {
		return 0, errors.New("no deduplication token")
	}
	if len(b.Columns) == 0 {
		return 0, errors.New("no columns")
	}
	rows := -1
	for _, c := range b.Columns {
		n := c.length()
		if n < 0 {
			return 0, fmt.Errorf("column %s is a %T, not a slice", c.Name, c.Values)
		}
		if rows >= 0 && n != rows {
			return 0, fmt.Errorf("column %s has %d rows, the columns before it %d", c.Name, n, rows)
		}
		rows = n
	}
	if rows > maxRows {
		return 0, fmt.Errorf("%d rows, at most %d may go in one block", rows, maxRows)
	}
	return rows, nil
}

func quoteTable(table string) string {
	parts := strings.Split(table, ".")
	for i, p := range parts {
		parts[i] = quoteName(p)
	}
	return strings.Join(parts, ".")
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "") + "`" }
