package prepare

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/leeward-failover/leeward/services/prober/internal/database"
)

type mariaDB struct{ config *mysql.Config }

func newMariaDB(url string) (engine, error) {
	config, err := database.MariaDBConfig(url)
	if err != nil {
		return nil, err
	}
	if config.DBName == "" {
		return nil, errors.New("the URL names no database for the heartbeats: write mysql://user:password@host/name")
	}
	return mariaDB{config}, nil
}

func (m mariaDB) statements(role string) []string {
	user := "'" + role + "'@'%'"
	table := "`" + strings.ReplaceAll(m.config.DBName, "`", "``") + "`.leeward_heartbeat"
	return []string{
		"CREATE TABLE IF NOT EXISTS " + table + " (vantage VARCHAR(63) CHARACTER SET ascii NOT NULL PRIMARY KEY, at DATETIME(6) NOT NULL, token BIGINT NOT NULL) ENGINE = InnoDB;",
		"CREATE USER IF NOT EXISTS " + user + " IDENTIFIED BY '" + secret + "';",
		"ALTER USER " + user + " IDENTIFIED BY '" + secret + "';",
		"GRANT SELECT, INSERT, UPDATE ON " + table + " TO " + user + ";",
	}
}

func (mariaDB) fill(statement, password string) string {
	return strings.ReplaceAll(statement, secret, strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(password))
}

func (m mariaDB) run(ctx context.Context, statements []string) (string, error) {
	return "", m.do(ctx, statements)
}

func (m mariaDB) do(ctx context.Context, statements []string) error {
	connector, err := mysql.NewConnector(m.config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	// An administrator may write to a replica, which then differs from its primary.
	var readOnly string
	if err := db.QueryRowContext(ctx, "SELECT CAST(@@global.read_only AS CHAR)").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly != "0" && readOnly != "OFF" {
		return errors.New("the server is read-only, as a replica is: prepare the primary, and its replicas have it too")
	}
	for _, s := range statements {
		_, err := db.ExecContext(ctx, s)
		var answer *mysql.MySQLError
		if errors.As(err, &answer) && slices.Contains([]uint16{1044, 1142, 1227, 1396, 1410}, answer.Number) {
			return fmt.Errorf("%w: connect as who may CREATE tables and users and GRANT, or have such a one run what --print prints", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m mariaDB) forget(ctx context.Context, vantage string) error {
	return m.do(ctx, []string{"DELETE FROM leeward_heartbeat WHERE vantage = '" + vantage + "'"})
}
