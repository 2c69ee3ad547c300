// Package postgres runs the world's PostgreSQL: one server in each region with the shop's database and the table that
// Leeward's probers write to. One is the primary, the others follow it by streaming replication and answer reads.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/confine"
	"github.com/leeward-failover/leeward/test/world/netns"
	"github.com/leeward-failover/leeward/test/world/site"
)

const (
	username = "postgres"
	home     = "/var/lib/postgresql"
)

// The superuser can be had from this machine's root only, through the socket in the server's folder.
const (
	access = `local all,replication postgres  peer map=world
host  shop shop             10.88.0.0/16 scram-sha-256
host  shop leeward_probe    10.88.0.0/16 scram-sha-256
host  replication replica   10.88.0.0/16 scram-sha-256
`
	identity = `world postgres postgres
world root     postgres
`
)

// settings are those of every server: a replica needs at least the primary's connections.
// Both ends of a link that was cut notice within seconds, so that a replica is back soon after it was healed; and what a
// replica that is away has not had yet is kept for it, within bounds.
var settings = []string{
	"max_connections=200", "shared_buffers=16MB",
	"wal_sender_timeout=3s", "wal_receiver_timeout=3s", "wal_retrieve_retry_interval=500ms", "wal_receiver_status_interval=1s",
	"max_slot_wal_keep_size=256MB",
}

// Primary makes the database cluster when there is none and returns the process of the server that takes the writes.
func Primary(ctx context.Context, at site.Site, folder string) (supervise.Process, error) {
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
	return server(at, folder, bin, syscall.SIGINT), nil // PostgreSQL's fast shutdown
}

// Replica makes a copy of the primary, whose server runs in the folder from, and returns the process of the server that
// follows it. The copy is made anew at each start: that takes a second, and nobody has to think of what an old one missed.
func Replica(ctx context.Context, at site.Site, folder string, primary site.Site, from, password string) (supervise.Process, error) {
	bin, err := programs()
	if err != nil {
		return supervise.Process{}, err
	}
	if err := os.RemoveAll(folder); err != nil {
		return supervise.Process{}, err
	}
	if err := confine.Folder(username, folder); err != nil {
		return supervise.Process{}, err
	}
	data := filepath.Join(folder, "data")
	// Through the socket, so that the copy does not take the way around the world.
	backup := exec.CommandContext(ctx, filepath.Join(bin, "pg_basebackup"), "--host="+from, "--username=postgres", "--pgdata="+data,
		"--checkpoint=fast", "--wal-method=stream", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		return supervise.Process{}, fmt.Errorf("copy the primary for %s: %w: %s", at.Name, err, out)
	}
	addr := primary.Addr()
	follow := []string{
		fmt.Sprintf("primary_conninfo = 'host=%s port=5432 user=replica password=%s application_name=%s connect_timeout=2 keepalives_idle=1 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=3000'", addr, password, at.Name),
		fmt.Sprintf("primary_slot_name = '%s'", at.Name),
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(data, "postgresql.auto.conf"), []byte(strings.Join(follow, "\n")+"\n"), 0o600),
		os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o600),
		filepath.WalkDir(data, func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, confine.Own(username, path))
		}),
	); err != nil {
		return supervise.Process{}, err
	}
	return server(at, folder, bin, syscall.SIGQUIT), nil // at once: it has nothing to put in order
}

func server(at site.Site, folder, bin string, stop syscall.Signal) supervise.Process {
	argv := confine.Confined(username, folder, home, filepath.Join(bin, "postgres"), "-D", home+"/data",
		"-c", "listen_addresses="+at.Addr().String(), "-c", "unix_socket_directories="+home)
	for _, setting := range settings {
		argv = append(argv, "-c", setting)
	}
	return supervise.Process{
		Name: "postgres-" + at.Name,
		Argv: netns.Command(at.Namespace, argv...).Args,
		Stop: stop,
		Ready: func(ctx context.Context) error {
			conn, err := connect(ctx, folder, "postgres")
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}
}

// Pause stops a replica from replaying what it receives; Resume lets it catch up.
//
// Of the ways to make a replica fall behind this is the one that happens: a single process replays what many have
// written, and a long read can hold it up, while the server goes on to answer, with old data. A server stopped by a signal
// would not answer, which is another fault: a dead one.
func Pause(ctx context.Context, folder string) error {
	return tell(ctx, folder, "SELECT pg_wal_replay_pause()")
}

// Resume undoes Pause.
func Resume(ctx context.Context, folder string) error {
	return tell(ctx, folder, "SELECT pg_wal_replay_resume()")
}

func tell(ctx context.Context, folder, statement string) error {
	conn, err := connect(ctx, folder, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
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
