package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mariaDB is a session with MariaDB or MySQL.
type mariaDB struct {
	db   *sql.DB
	conn *sql.Conn
}

// Several statements travel as one text, so that they take one round trip.
//
// A lock is waited for as long as the client waits: what a client that has left still waits for would pile up on the server.
//
// The token is the highest that was committed before, and one: a heartbeat that begins after another was acknowledged has a higher one, whichever
// vantages wrote them, also after the server's clock was set back and on a replica that was promoted. Counters of the server's own do not promise
// that: an AUTO_INCREMENT is not replicated by updates, UUID_SHORT() depends on when the server was started, MySQL has no sequences. Nothing is locked
// but the vantage's own row, so that no vantage's write waits for another's.
//
// An account that may write to a server that is read-only does not.
const (
	limitSQL        = "SET lock_wait_timeout = ?, innodb_lock_wait_timeout = ?;"
	writableSQL     = "CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')"
	mariaDBWhoSQL   = writableSQL + ", CONCAT(@@server_id /*M!101100 , '-', LEFT(SHA1(@@server_uid), 8) */ /*!50700 , '-', LOWER(@@server_uuid) */)"
	mariaDBReadSQL  = limitSQL + "SELECT at, COALESCE(token, 0), " + mariaDBWhoSQL + " FROM (SELECT 1) AS one LEFT JOIN (SELECT at, token FROM leeward_heartbeat ORDER BY token DESC, at DESC LIMIT 1) AS newest ON 1 = 1"
	mariaDBWriteSQL = limitSQL + "SET @token = (SELECT COALESCE(MAX(token), 0) + 1 FROM leeward_heartbeat), @at = UTC_TIMESTAMP(6);" +
		"INSERT INTO leeward_heartbeat (vantage, at, token) SELECT ?, @at, @token FROM DUAL WHERE " + writableSQL + " ON DUPLICATE KEY UPDATE at = @at, token = @token;" +
		"SELECT CAST(@at AS DATETIME(6)), @token, " + mariaDBWhoSQL
)

func openMariaDB(ctx context.Context, address string, w *stopwatch) (session, error) {
	config, err := MariaDBConfig(address)
	if err != nil {
		return nil, err
	}
	config.DialFunc = w.open
	w.watch(config.TLS)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, ErrUnreadable
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(mariaDBError(err), db.Close())
	}
	return mariaDB{db, conn}, nil
}

// MariaDBConfig is what a URL says, mysql://user:password@host:3306/name?tls=true.
func MariaDBConfig(address string) (*mysql.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, ErrUnreadable
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	c.InterpolateParams, c.MultiStatements, c.ParseTime, c.Logger = true, true, true, &mysql.NopLogger{}
	query := u.Query()
	switch mode := query.Get("tls"); mode {
	case "", "false":
	case "true":
		c.TLS = &tls.Config{ServerName: u.Hostname()}
	case "skip-verify", "preferred":
		c.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // asked for
		c.AllowFallbackToPlaintext = mode == "preferred"
	default:
		return nil, errTLSMode
	}
	if query.Del("tls"); len(query) > 0 {
		return nil, errTLSMode
	}
	return c, nil
}

var errTLSMode = errors.New("the database's URL has a parameter that is not known: there is tls=true, which verifies the certificate, tls=skip-verify, tls=preferred and tls=false")

func (m mariaDB) settle(context.Context, bool) error { return nil }

func (m mariaDB) read(ctx context.Context) (answer, error) {
	limit := patience(ctx)
	a, _, err := m.ask(ctx, mariaDBReadSQL, limit, limit)
	return a, err
}

func (m mariaDB) write(ctx context.Context, vantage string) (answer, error) {
	limit := patience(ctx)
	a, writable, err := m.ask(ctx, mariaDBWriteSQL, limit, limit, vantage)
	if err == nil && !writable {
		err = errReadOnly
	}
	return a, err
}

// patience is how many seconds are left, rounded up.
func patience(ctx context.Context) int {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(connectWithin)
	}
	return max(1, int(math.Ceil(time.Until(deadline).Seconds())))
}

// ask returns the row of the last statement.
func (m mariaDB) ask(ctx context.Context, statements string, args ...any) (a answer, writable bool, err error) {
	rows, err := m.conn.QueryContext(ctx, statements, args...)
	if err != nil {
		return answer{}, false, mariaDBError(err)
	}
	defer func() { _ = rows.Close() }()
	var at sql.NullTime
	var identity string
	for {
		for rows.Next() {
			if err := rows.Scan(&at, &a.heartbeat.Token, &writable, &identity); err != nil {
				return answer{}, false, err
			}
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return answer{}, false, mariaDBError(err)
	}
	a.heartbeat.At = at.Time
	a.server = server(!writable, identity)
	return a, writable, nil
}

// broken asks the driver, which closes a connection that it can not use again.
func (m mariaDB) broken() bool {
	err := m.conn.Raw(func(c any) error {
		if !c.(driver.Validator).IsValid() {
			return driver.ErrBadConn
		}
		return nil
	})
	return err != nil
}

func (m mariaDB) close(context.Context) {
	_ = m.conn.Close()
	_ = m.db.Close()
}

// troubles are the errors of a server that would not do anything for anybody: no room, memory or connection left, cut off from its cluster, going down, told to stop, waited too long.
var troubles = []uint16{1021, 1030, 1037, 1038, 1040, 1041, 1047, 1053, 1114, 1205, 1317, 1927, 1969}

// readOnlies are the errors of a server or a transaction that takes no writes.
var readOnlies = []uint16{1290, 1792, 1836}

// mariaDBError marks what a server denied.
func mariaDBError(err error) error {
	var answer *mysql.MySQLError
	switch {
	case errors.Is(err, mysql.ErrNoTLS):
		return fmt.Errorf("%w: %w", ErrTLS, err)
	case !errors.As(err, &answer), slices.Contains(troubles, answer.Number):
		return err
	case slices.Contains(readOnlies, answer.Number):
		return fmt.Errorf("%w: %w", errReadOnly, err)
	}
	return fmt.Errorf("%w: %w", ErrDenied, err)
}
