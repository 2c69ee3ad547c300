// Package postgrestest gives a test real PostgreSQL servers: a primary, and replicas that follow it.
package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/leeward-failover/leeward/pkg/processtest"
)

// Heartbeats makes the table that probers write to.
const Heartbeats = "CREATE TABLE leeward_heartbeat (vantage text PRIMARY KEY, at timestamptz NOT NULL, token bigint NOT NULL)"

// Server is a running server on a loopback port; everybody on this machine is its superuser.
type Server struct {
	tb   testing.TB
	dir  string
	port int
	// credential is a user that is not root, since the server refuses root; nil for this one.
	credential *syscall.Credential
	process    *processtest.Process
}

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := newServer(tb)
	s.run("initdb", "-D", s.dir, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C")
	s.prepend("postgresql.conf", "ssl = on")
	certificate, key := processtest.Certificate(tb, s.dir)
	s.own(certificate)
	s.own(key)
	s.start()
	return s
}

// Follow runs a replica of the server until the test ends.
func (s *Server) Follow() *Server {
	s.tb.Helper()
	r := newServer(s.tb)
	r.run("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres", "-D", r.dir, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	r.start()
	return r
}

func newServer(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: filepath.Join(tb.TempDir(), "data"), port: processtest.Port(tb)}
	program(tb, "postgres")
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	if os.Geteuid() == 0 {
		s.credential = postgres(tb)
		// The folders above belong to root and may be closed to others.
		for above := filepath.Dir(s.dir); above != os.TempDir() && above != "/"; above = filepath.Dir(above) {
			if err := os.Chmod(above, 0o755); err != nil {
				tb.Fatal(err)
			}
		}
		s.own(s.dir)
	}
	return s
}

// program finds a program of PostgreSQL, which Debian keeps out of the path.
func program(tb testing.TB, name string) string {
	tb.Helper()
	return processtest.Program(tb, name, "/usr/lib/postgresql/*/bin")
}

// postgres is the user of that name.
func postgres(tb testing.TB) *syscall.Credential {
	tb.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		tb.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		tb.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// own gives a file to the server's user.
func (s *Server) own(path string) {
	s.tb.Helper()
	if s.credential == nil {
		return
	}
	if err := os.Chown(path, int(s.credential.Uid), int(s.credential.Gid)); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(program(s.tb, name), args...)
	c.Dir, c.SysProcAttr = "/", &syscall.SysProcAttr{Credential: s.credential}
	return c
}

func (s *Server) run(name string, args ...string) {
	s.tb.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.tb.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (s *Server) start() {
	s.tb.Helper()
	s.process = processtest.Start(s.tb, s.command("postgres", "-D", s.dir, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=20"), syscall.SIGINT)
	s.process.Await(func() error {
		_, err := s.psql("SELECT 1")
		return err
	})
}

// URL is where the server answers, with a password that it does not ask for.
func (s *Server) URL() string { return s.url("disable") }

// SecureURL is URL with TLS, by a certificate that is not verified.
func (s *Server) SecureURL() string { return s.url("require") }

func (s *Server) url(mode string) string {
	return fmt.Sprintf("postgres://postgres:secret-word@127.0.0.1:%d/postgres?sslmode=%s", s.port, mode)
}

// Do runs a statement and returns what it prints.
func (s *Server) Do(statement string) string {
	s.tb.Helper()
	out, err := s.psql(statement)
	if err != nil {
		s.tb.Fatalf("%s: %v: %s", statement, err, out)
	}
	return out
}

// Try is Do that may fail.
func (s *Server) Try(statement string) (string, error) { return s.psql(statement) }

// RequirePassword has the server ask a role for its password.
func (s *Server) RequirePassword(role string) {
	s.tb.Helper()
	s.prepend("pg_hba.conf", "host all "+role+" 127.0.0.1/32 scram-sha-256")
	s.Do("SELECT pg_reload_conf()")
}

// prepend writes a line in front of a file of settings.
func (s *Server) prepend(name, line string) {
	s.tb.Helper()
	path := filepath.Join(s.dir, name)
	lines, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte(line+"\n"), lines...), 0o600)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) psql(statement string) (string, error) {
	out, err := exec.Command(program(s.tb, "psql"), s.URL()+"&application_name=test", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Stop stops the server as its administrator does who does not wait for clients.
func (s *Server) Stop() { s.process.End(syscall.SIGINT) }

// Kill stops the server at once, as a power cut does.
func (s *Server) Kill() { s.process.End(syscall.SIGQUIT) }
