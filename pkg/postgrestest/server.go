// Package postgrestest gives a test real PostgreSQL servers: a primary, and replicas that follow it. Where PostgreSQL is not installed a test skips;
// in CI, where CI=true, it fails.
package postgrestest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Heartbeats makes the table that probers write to.
const Heartbeats = "CREATE TABLE leeward_heartbeat (vantage text PRIMARY KEY, at timestamptz NOT NULL, token bigint NOT NULL)"

// Server is a running server on a loopback port; everybody on this machine is its superuser.
type Server struct {
	tb   testing.TB
	dir  string
	port int
	// attributes make the server a user's that is not root, since it refuses root.
	attributes *syscall.SysProcAttr
	process    *exec.Cmd
	output     output
}

// output is what a server prints, from several goroutines.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := newServer(tb)
	if err := s.command("initdb", "-D", s.dir, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C").Run(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, &s.output)
	}
	s.start()
	return s
}

// Follow runs a replica of the server until the test ends.
func (s *Server) Follow() *Server {
	s.tb.Helper()
	r := newServer(s.tb)
	if err := r.command("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres", "-D", r.dir, "--write-recovery-conf", "--checkpoint=fast", "--no-sync").Run(); err != nil {
		s.tb.Fatalf("copy the primary: %v\n%s", err, &r.output)
	}
	r.start()
	return r
}

func newServer(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: filepath.Join(tb.TempDir(), "data"), attributes: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	program(tb, "postgres")
	if os.Geteuid() == 0 {
		s.attributes.Credential = owner(tb, s.dir)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s.port = l.Addr().(*net.TCPAddr).Port
	return s
}

// program finds a program of PostgreSQL, which Debian keeps out of the path.
func program(tb testing.TB, name string) string {
	tb.Helper()
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	why := name + " is not installed (tools/install.sh)"
	if os.Getenv("CI") != "" {
		tb.Fatal(why)
	}
	tb.Skip(why)
	return ""
}

// owner gives a folder to the user postgres.
func owner(tb testing.TB, dir string) *syscall.Credential {
	tb.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		tb.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	// The folders above belong to root and may be closed to others.
	for above := filepath.Dir(dir); above != os.TempDir() && above != "/"; above = filepath.Dir(above) {
		err2 = errors.Join(err2, os.Chmod(above, 0o755))
	}
	if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
		tb.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(program(s.tb, name), args...)
	c.Dir, c.SysProcAttr, c.Stdout, c.Stderr = "/", s.attributes, &s.output, &s.output
	return c
}

func (s *Server) start() {
	s.tb.Helper()
	s.process = s.command("postgres", "-D", s.dir, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=20")
	if err := s.process.Start(); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(s.Stop)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := s.psql("SELECT 1")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatalf("the server does not answer: %s\n%s", out, &s.output)
		}
	}
}

// URL is where the server answers, with a password that it does not ask for.
func (s *Server) URL() string {
	return fmt.Sprintf("postgres://postgres:secret-word@127.0.0.1:%d/postgres?sslmode=disable", s.port)
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

func (s *Server) psql(statement string) (string, error) {
	out, err := exec.Command(program(s.tb, "psql"), s.URL()+"&application_name=test", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Stop stops the server as its administrator does who does not wait for clients.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill stops the server at once, as a power cut does.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) {
	if s.process.ProcessState == nil {
		_ = s.process.Process.Signal(signal)
		_ = s.process.Wait()
	}
}
