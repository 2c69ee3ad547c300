package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed shop.sql
var shop string

// Passwords of the roles that log in.
type Passwords struct {
	Shop  string
	Probe string
}

// Fill makes the database, the roles and the tables that are not there yet.
func Fill(ctx context.Context, folder string, passwords Passwords) error {
	if err := fillServer(ctx, folder, passwords); err != nil {
		return err
	}
	conn, err := connect(ctx, folder, "shop")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, shop); err != nil {
		return fmt.Errorf("make the tables of the shop: %w", err)
	}
	return nil
}

func fillServer(ctx context.Context, folder string, passwords Passwords) error {
	conn, err := connect(ctx, folder, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'shop')`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := conn.Exec(ctx, `CREATE DATABASE shop`); err != nil {
			return err
		}
	}
	if err := role(ctx, conn, "shop", passwords.Shop, 60); err != nil {
		return err
	}
	return role(ctx, conn, "leeward_probe", passwords.Probe, 30)
}

// role makes a role that can log in and nothing else; the name is one of ours.
func role(ctx context.Context, conn *pgx.Conn, name, password string, connections int) error {
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, name).Scan(&there); err != nil {
		return err
	}
	verb := "CREATE"
	if there {
		verb = "ALTER"
	}
	quoted := "'" + strings.ReplaceAll(password, "'", "''") + "'"
	statement := fmt.Sprintf(`%s ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT %d PASSWORD %s`, verb, name, connections, quoted)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("make role %s: %w", name, err)
	}
	return nil
}
