// Package postgres runs the world's PostgreSQL: one server at the entry, with the shop's database and the table that
// Leeward's probers write to.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/confine"
	"github.com/leeward-failover/leeward/test/world/site"
)

const (
	username = "postgres"
	home     = "/var/lib/postgresql"
)

// The superuser can be had from this machine's root only, through the socket in the server's folder.
const (
	access = `local all postgres              peer map=world
host  shop shop            10.88.0.0/16 scram-sha-256
host  shop leeward_probe   10.88.0.0/16 scram-sha-256
`
	identity = `world postgres postgres
world root     postgres
`
)

// Prepare makes the database cluster when there is none and returns the server's process.
func Prepare(ctx context.Context, folder string) (supervise.Process, error) {
	bin, err := programs()
	if err != nil {
		return supervise.Process{}, err
	}
	if err := confine.Folder(username, folder); err != nil {
		return supervise.Process{}, err
	}
	data := filepath.Join(folder, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		argv := confine.Confined(username, folder, home, filepath.Join(bin, "initdb"), "--pgdata="+home+"/data", "--no-sync",
			"--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=peer", "--auth-host=scram-sha-256")
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return supervise.Process{}, fmt.Errorf("make the database cluster: %w: %s", err, out)
		}
	}
	for name, text := range map[string]string{"pg_hba.conf": access, "pg_ident.conf": identity} {
		path := filepath.Join(data, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return supervise.Process{}, err
		}
		if err := confine.Own(username, path); err != nil {
			return supervise.Process{}, err
		}
	}
	// A server that was killed leaves its pid behind, and in a new process namespace any number may be in use again.
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return supervise.Process{}, err
	}
	return supervise.Process{
		Name: "postgres",
		Argv: confine.Confined(username, folder, home, filepath.Join(bin, "postgres"), "-D", home+"/data",
			"-c", "listen_addresses="+site.Entry.Addr().String(), "-c", "unix_socket_directories="+home),
		Stop: syscall.SIGINT, // PostgreSQL's fast shutdown,
		Ready: func(ctx context.Context) error {
			conn, err := connect(ctx, folder, "postgres")
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}, nil
}

// programs finds the folder of the server's programs, which Debian keeps off PATH.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("PostgreSQL's server was not found in /usr/lib/postgresql (tools/install.sh installs it)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func connect(ctx context.Context, folder, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Password, config.Database = folder, 5432, "postgres", "", database
	config.Fallbacks, config.TLSConfig = nil, nil
	return pgx.ConnectConfig(ctx, config)
}
