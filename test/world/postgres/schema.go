package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leeward-failover/leeward/test/world/site"
)

//go:embed shop.sql
var shop string

// Passwords of the roles that log in.
type Passwords struct {
	Shop    string
	Probe   string
	Replica string
}

// Fill makes, on the primary, the database, the roles, the tables and the replicas' slots that are not there yet.
func Fill(ctx context.Context, folder string, passwords Passwords, replicas []site.Site) error {
	if err := fillServer(ctx, folder, passwords, replicas); err != nil {
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

func fillServer(ctx context.Context, folder string, passwords Passwords, replicas []site.Site) error {
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
	for _, replica := range replicas {
		if err := slot(ctx, conn, replica.Name); err != nil {
			return fmt.Errorf("make a slot for %s: %w", replica.Name, err)
		}
	}
	if err := role(ctx, conn, "shop", passwords.Shop, "NOREPLICATION CONNECTION LIMIT 120"); err != nil {
		return err
	}
	if err := role(ctx, conn, "leeward_probe", passwords.Probe, "NOREPLICATION CONNECTION LIMIT 30"); err != nil {
		return err
	}
	return role(ctx, conn, "replica", passwords.Replica, "REPLICATION")
}

// slot makes the primary keep what a replica has not had yet. One that is there may keep what an earlier copy wanted, or
// have lost it, and is made anew; nobody uses it, since the replicas start after this.
func slot(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1`, name); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `SELECT pg_create_physical_replication_slot($1, true)`, name)
	return err
}

// role makes a role that can log in and do what rights say; the name is one of ours.
func role(ctx context.Context, conn *pgx.Conn, name, password, rights string) error {
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, name).Scan(&there); err != nil {
		return err
	}
	verb := "CREATE"
	if there {
		verb = "ALTER"
	}
	quoted := "'" + strings.ReplaceAll(password, "'", "''") + "'"
	statement := fmt.Sprintf(`%s ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE %s PASSWORD %s`, verb, name, rights, quoted)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("make role %s: %w", name, err)
	}
	return nil
}
