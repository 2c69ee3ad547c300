package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
)

const (
	queryTimeout = 2 * time.Second
	connections  = 6
)

// database is a PostgreSQL or a MariaDB. Connections are made when they are needed, and made again when they were lost.
type database struct {
	db       *sql.DB
	numbered bool
	// state is what was last seen of it.
	state atomic.Value
}

// product is what the shop sells.
type product struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	PriceCents int64  `json:"price_cents"`
}

// openDatabase opens what a connection string names; without one, every query is answered with a problem.
func openDatabase(text string) (*database, error) {
	d := &database{}
	if text == "" {
		d.state.Store("none")
		return d, nil
	}
	d.state.Store("unknown")
	scheme, _, _ := strings.Cut(text, ":")
	var err error
	switch scheme {
	case "mysql", "mariadb":
		var name string
		if name, err = mariadb(text); err == nil {
			d.db, err = sql.Open("mysql", name)
		}
	default:
		d.numbered = true
		d.db, err = sql.Open("pgx", text)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d.db.SetMaxOpenConns(connections)
	d.db.SetMaxIdleConns(connections)
	d.db.SetConnMaxIdleTime(30 * time.Second)
	return d, nil
}

// mariadb turns a URL into the driver's own form.
func mariadb(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("the connection string is not a URL") // and may hold a password
	}
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	c.Passwd, _ = u.User.Password()
	c.ParseTime, c.Timeout = true, queryTimeout
	return c.FormatDSN(), nil
}

// State tells what was last seen of the database.
func (d *database) State() string { return d.state.Load().(string) }

func (d *database) close() {
	if d.db != nil {
		_ = d.db.Close()
	}
}

func (d *database) products(ctx context.Context) ([]product, error) {
	found := []product{}
	err := d.query(ctx, "SELECT id, name, price_cents FROM products ORDER BY id", nil, func(rows *sql.Rows) error {
		var p product
		err := rows.Scan(&p.ID, &p.Name, &p.PriceCents)
		found = append(found, p)
		return err
	})
	return found, err
}

func (d *database) order(ctx context.Context, product, quantity int32, instance string) (id int64, at time.Time, err error) {
	const statement = "INSERT INTO orders (product_id, quantity, instance) VALUES (?, ?, ?) RETURNING id, at"
	err = d.query(ctx, statement, []any{product, quantity, instance}, func(rows *sql.Rows) error { return rows.Scan(&id, &at) })
	return id, at, err
}

// query calls each for every row; whatever goes wrong comes back as a problem.
func (d *database) query(ctx context.Context, statement string, values []any, each func(*sql.Rows) error) error {
	if d.db == nil {
		return &problem{status: http.StatusServiceUnavailable, detail: "no database is configured"}
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if d.numbered {
		for n := range values {
			statement = strings.Replace(statement, "?", fmt.Sprintf("$%d", n+1), 1)
		}
	}
	err := d.rows(ctx, statement, values, each)
	switch {
	case err == nil:
		d.state.Store("up")
		return nil
	case unknownProduct(err):
		return &problem{status: http.StatusUnprocessableEntity, detail: "there is no such product"}
	default:
		d.state.Store("down")
		return &problem{status: http.StatusServiceUnavailable, detail: "the database does not answer", cause: err}
	}
}

func (d *database) rows(ctx context.Context, statement string, values []any, each func(*sql.Rows) error) error {
	rows, err := d.db.QueryContext(ctx, statement, values...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// unknownProduct says whether a foreign key was refused.
func unknownProduct(err error) bool {
	var postgres *pgconn.PgError
	var maria *mysql.MySQLError
	return errors.As(err, &postgres) && postgres.Code == "23503" || errors.As(err, &maria) && maria.Number == 1452
}
