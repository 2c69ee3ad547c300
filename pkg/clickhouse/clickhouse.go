// Package clickhouse is the way to ClickHouse: a server by clickhouse:// or https://, the embedded engine of pkg/chembed
// by http://. It applies the schema, inserts blocks exactly once, queries, and says which errors are worth another try.
// It is the only package that imports the driver.
package clickhouse

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// DB is a pool of connections to one ClickHouse. Its methods are safe for concurrent use. Their errors are marked for
// go-retry when another try may help; see Retryable and Code.
type DB struct {
	conn driver.Conn
}

// Rows is the result of a query; close it.
type Rows = driver.Rows

// Row is the one row of a query; Scan gives sql.ErrNoRows when there is none.
type Row = driver.Row

// Named is an argument for {name:Type} in a query, bound by the server.
func Named(name string, value any) any { return clickhouse.Named(name, value) }

// Open reads the DSN and prepares the pool. It does not connect: a ClickHouse that is down is an error of the first
// use, and a retryable one.
func Open(dsn string) (*DB, error) {
	if strings.HasPrefix(dsn, "https://") && !strings.Contains(dsn, "secure=") {
		dsn = withSecure(dsn) // the driver wants to be told twice
	}
	o, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("ClickHouse DSN: %w", err)
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 5 * time.Second
	}
	if o.MaxOpenConns == 0 {
		o.MaxOpenConns, o.MaxIdleConns = 10, 10
	}
	conn, err := clickhouse.Open(o)
	if err != nil {
		return nil, fmt.Errorf("ClickHouse DSN: %w", err)
	}
	return &DB{conn}, nil
}

func withSecure(dsn string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&secure=true"
	}
	return dsn + "?secure=true"
}

// Close gives the connections back.
func (db *DB) Close() error { return db.conn.Close() }

// Ready asks for one row, so that it fails when ClickHouse cannot answer.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.conn.Ping(ctx); err != nil {
		return mark(fmt.Errorf("ping ClickHouse: %w", err))
	}
	return nil
}

// Exec runs a statement without a result.
func (db *DB) Exec(ctx context.Context, query string, args ...any) error {
	return mark(db.conn.Exec(ctx, query, args...))
}

// Query runs a query. An error in the middle of its result comes from Rows.Err.
func (db *DB) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	rows, err := db.conn.Query(ctx, query, args...)
	return rows, mark(err)
}

// QueryRow runs a query for its first row.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	return db.conn.QueryRow(ctx, query, args...)
}

// Select fills a slice of structs, whose fields are tagged ch:"column", with the result of a query.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) error {
	return mark(db.conn.Select(ctx, dest, query, args...))
}

// QueryFormat writes the result of a query in one of ClickHouse's output formats. It needs HTTP. When it returns an error
// what was written so far is not the whole result.
func (db *DB) QueryFormat(ctx context.Context, w io.Writer, format, query string, args ...any) error {
	result, err := db.conn.QueryFormat(ctx, format, query, args...)
	if err != nil {
		return mark(err)
	}
	defer func() { _ = result.Close() }()
	_, err = io.Copy(w, result)
	return mark(err)
}

// ReadOnly makes the queries run under the returned context unable to change anything: data, schema or settings. The server gives one up when its asker hangs up.
func ReadOnly(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"readonly": 1, "cancel_http_readonly_queries_on_client_close": 1}))
}
