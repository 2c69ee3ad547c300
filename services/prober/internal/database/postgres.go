package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is a session with PostgreSQL.
type postgres struct{ *pgx.Conn }

// The newest heartbeat is the one of the highest token, not of the latest time: the rows of vantages that write no more keep the time that the server had
// before its clock was set back. The token is the transaction's number, which a promoted replica goes on counting.
//
// A replica has its primary's identifier; when the server was started tells the two apart, also once the replica is promoted.
const (
	postgresWhoSQL   = "pg_is_in_recovery(), (pg_control_system()).system_identifier || '-' || (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint"
	postgresReadSQL  = "SELECT at, COALESCE(token, 0), " + postgresWhoSQL + " FROM (SELECT) AS one LEFT JOIN (SELECT at, token FROM leeward_heartbeat ORDER BY token DESC LIMIT 1) AS newest ON true"
	postgresWriteSQL = "INSERT INTO leeward_heartbeat (vantage, at, token) VALUES ($1, clock_timestamp(), txid_current()) " +
		"ON CONFLICT (vantage) DO UPDATE SET at = excluded.at, token = excluded.token RETURNING at, token, " + postgresWhoSQL
)

func openPostgres(ctx context.Context, url string, w *stopwatch) (session, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, ErrUnreadable
	}
	config.LookupFunc, config.DialFunc = w.lookup, w.open
	w.watch(config.TLSConfig)
	for _, f := range config.Fallbacks {
		w.watch(f.TLSConfig)
	}
	// What was not prepared takes one round trip all the same.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil && strings.Contains(err.Error(), "server refused TLS connection") {
		// The driver has no error of its own for it.
		return nil, fmt.Errorf("%w: %w", ErrTLS, err)
	}
	if err != nil {
		return nil, postgresError(err)
	}
	return postgres{conn}, nil
}

// settle prepares the connection's statement, which spares the server half of its work for each sample.
func (p postgres) settle(ctx context.Context, write bool) error {
	sql := postgresReadSQL
	if write {
		sql = postgresWriteSQL
	}
	_, err := p.Prepare(ctx, sql, sql)
	return postgresError(err)
}

func (p postgres) read(ctx context.Context) (answer, error) { return p.ask(ctx, postgresReadSQL) }

func (p postgres) write(ctx context.Context, vantage string) (answer, error) {
	return p.ask(ctx, postgresWriteSQL, vantage)
}

func (p postgres) ask(ctx context.Context, sql string, args ...any) (answer, error) {
	var a answer
	var at *time.Time
	var replica bool
	var identity string
	// Scan returns once the statement's transaction has ended.
	if err := p.QueryRow(ctx, sql, args...).Scan(&at, &a.heartbeat.Token, &replica, &identity); err != nil {
		return answer{}, postgresError(err)
	}
	if at != nil {
		a.heartbeat.At = *at
	}
	a.server = server(replica, identity)
	return a, nil
}

func (p postgres) broken() bool { return p.IsClosed() }

// close says goodbye to the server without waiting for long, though ctx may be over.
func (p postgres) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = p.Close(ctx)
}

// postgresError marks what a server denied.
func postgresError(err error) error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code[:min(2, len(answer.Code))] {
	case "53", "57", "58", "XX": // no room, an operator at work, trouble of the system, trouble of its own
		return err
	case "25": // among them the transaction that is read-only
		return fmt.Errorf("%w: %w", errReadOnly, err)
	}
	return fmt.Errorf("%w: %w", ErrDenied, err)
}
