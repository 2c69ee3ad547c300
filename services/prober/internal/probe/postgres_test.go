package probe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

// database is a PostgreSQL server of the test's own.
type database struct {
	url    string
	output bytes.Buffer
	server *exec.Cmd
}

// binary finds a program of PostgreSQL, which Debian keeps out of the path.
func binary(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; apt-get install postgresql", name)
	}
	t.Skipf("%s is not installed; apt-get install postgresql", name)
	return ""
}

// startDatabase runs a server on a loopback port until the test ends; as root it runs as the user postgres, since the server refuses root.
func startDatabase(t *testing.T) *database {
	t.Helper()
	initdb, server := binary(t, "initdb"), binary(t, "postgres")
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		attributes.Credential = postgresUser(t, dir)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	d := &database{url: fmt.Sprintf("postgres://postgres:secret-word@127.0.0.1:%d/postgres?sslmode=disable", port)}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Dir, c.SysProcAttr, c.Stdout, c.Stderr = "/", attributes, &d.output, &d.output
		return c
	}
	if err := command(initdb, "-D", dir, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C").Run(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, d.output.String())
	}
	d.server = command(server, "-D", dir, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=20")
	if err := d.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	d.do(t, "CREATE TABLE leeward_heartbeat (vantage text PRIMARY KEY, at timestamptz NOT NULL, token bigint NOT NULL)")
	return d
}

func postgresUser(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	// The folders above belong to root and may be closed to others.
	for above := filepath.Dir(dir); above != os.TempDir() && above != "/"; above = filepath.Dir(above) {
		err2 = errors.Join(err2, os.Chmod(above, 0o755))
	}
	if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// stop stops the server as its administrator does who does not wait for clients.
func (d *database) stop() {
	if d.server.ProcessState == nil {
		_ = d.server.Process.Signal(syscall.SIGINT)
		_ = d.server.Wait()
	}
}

// connect connects as somebody else than the prober, and waits for a server that starts.
func (d *database) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), d.url+"&application_name=test")
		if err == nil {
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatalf("connect: %v\n%s", err, d.output.String())
		}
	}
}

func (d *database) do(t *testing.T, sql string) {
	t.Helper()
	if _, err := d.connect(t).Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestPostgres(t *testing.T) {
	d := startDatabase(t)
	k := kit(t)
	conn := d.connect(t)
	one := func(sql string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const ours = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'test'"
	for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite} {
		if s := expect(t, k, kind, d.url, schemas.OK); s.ConnectUS == 0 {
			t.Errorf("the first %s opened no connection: %+v", kind, s)
		}
		for range 3 {
			if s := expect(t, k, kind, d.url, schemas.OK); s.ConnectUS != 0 || s.FirstByteUS == 0 {
				t.Errorf("a later %s did not use the open connection: %+v", kind, s)
			}
		}
	}
	if n := one("SELECT count(*) " + ours); n != 2 {
		t.Errorf("%d connections, want one for reads and one for writes", n)
	}
	if n := one("SELECT count(*) FROM leeward_heartbeat WHERE vantage = 'london' AND at > now() - interval '10 seconds'"); n != 1 {
		t.Errorf("%d fresh heartbeats, want 1", n)
	}

	one("SELECT count(pg_terminate_backend(pid)) " + ours)
	if s := expect(t, k, schemas.KindDBRead, d.url, schemas.OK); s.ConnectUS == 0 {
		t.Errorf("a broken connection was not made anew: %+v", s)
	}

	lock, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "LOCK TABLE leeward_heartbeat IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	expect(t, k, schemas.KindDBWrite, d.url, schemas.TimedOut)
	expect(t, k, schemas.KindDBRead, d.url, schemas.OK)
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, k, schemas.KindDBWrite, d.url, schemas.OK)

	d.do(t, "DROP TABLE leeward_heartbeat")
	expect(t, k, schemas.KindDBWrite, d.url, schemas.OtherError)
	expect(t, k, schemas.KindDBRead, d.url, schemas.OK)

	d.stop()
	_, err = measure(k, schemas.KindDBRead, d.url)
	if s := expect(t, k, schemas.KindDBRead, d.url, schemas.Refused); strings.Contains(err.Error(), "secret-word") {
		t.Errorf("the password is in the error of %+v: %v", s, err)
	}
}

func TestDatabaseWhoseURLIsUnreadableKeepsItsSecret(t *testing.T) {
	k := probe.NewKit("london", socks.Dialer{}, func(string) (string, error) { return "postgres://u:secret-word@[broken", nil })
	defer k.Close(t.Context())
	if s, err := measure(k, schemas.KindDBRead, "env:URL"); s.Outcome != schemas.OtherError || strings.Contains(err.Error(), "secret") {
		t.Errorf("ended %s with %v", s.Outcome, err)
	}
}

func TestClosingDoesNotWaitForADatabaseThatIsSilent(t *testing.T) {
	k := probe.NewKit("london", socks.Dialer{}, func(ref string) (string, error) { return ref, nil })
	expect(t, k, schemas.KindDBRead, "postgres://u@"+deafListener(t)+"/d?sslmode=disable", schemas.TimedOut)
	started := time.Now()
	k.Close(t.Context())
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("closing took %s while a connection was being made", took)
	}
}
