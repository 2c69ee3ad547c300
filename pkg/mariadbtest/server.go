// Package mariadbtest gives a test real MariaDB servers: a primary, and replicas that follow it.
package mariadbtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/leeward-failover/leeward/pkg/processtest"
)

// Heartbeats makes the table that probers write to.
const Heartbeats = "CREATE TABLE leeward_heartbeat (vantage VARCHAR(63) CHARACTER SET ascii NOT NULL PRIMARY KEY, at DATETIME(6) NOT NULL, token BIGINT NOT NULL)"

// Server is a running server on a loopback port.
type Server struct {
	tb       testing.TB
	dir      string
	port, id int
	process  *processtest.Process
}

// administrator may do everything, with the password in URL, in a database of the name shop. The server runs one statement per line.
const administrator = `SET SESSION sql_log_bin = 0;
CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS admin@'127.0.0.1' IDENTIFIED BY 'secret-word';
GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
`

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := newServer(tb, 1)
	s.start("--log-bin=" + filepath.Join(s.dir, "log"))
	return s
}

// Follow runs a replica of the server, its only one, that holds what the server holds now, until the test ends.
func (s *Server) Follow() *Server {
	s.tb.Helper()
	r := newServer(s.tb, s.id+1)
	r.start("--read-only")
	r.Do(fmt.Sprintf("CHANGE MASTER TO master_host = '127.0.0.1', master_port = %d, master_user = 'admin', master_password = 'secret-word', master_use_gtid = slave_pos; START SLAVE", s.port))
	if there := r.Do("SELECT MASTER_GTID_WAIT('" + s.Do("SELECT @@gtid_binlog_pos") + "', 30)"); there != "0" {
		s.tb.Fatalf("the replica does not follow: %s\n%s", there, r.Do("SHOW SLAVE STATUS"))
	}
	return r
}

func newServer(tb testing.TB, id int) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: tb.TempDir(), port: processtest.Port(tb), id: id}
	program(tb, "mariadbd")
	install := s.command("mariadb-install-db", "--skip-test-db", "--auth-root-authentication-method=normal", "--innodb-flush-method=nosync")
	if out, err := install.CombinedOutput(); err != nil {
		tb.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	processtest.Certificate(tb, s.dir)
	if err := os.WriteFile(filepath.Join(s.dir, "administrator.sql"), []byte(administrator), 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

func program(tb testing.TB, name string) string {
	tb.Helper()
	return processtest.Program(tb, name, "/usr/sbin")
}

// command is a program that knows the server's folder, and no settings of this machine.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	// A server that starts removes the temporary tables of all others whose folder for them it shares.
	args = append([]string{"--no-defaults", "--datadir=" + s.dir, "--tmpdir=" + s.dir, "--innodb-log-file-size=4M"}, args...)
	if os.Geteuid() == 0 {
		// The server refuses root that does not insist.
		args = append(args, "--user=root")
	}
	return exec.Command(program(s.tb, name), args...)
}

func (s *Server) start(args ...string) {
	s.tb.Helper()
	in := func(name string) string { return filepath.Join(s.dir, name) }
	args = append([]string{"--bind-address=127.0.0.1", "--skip-name-resolve", "--port=" + strconv.Itoa(s.port), "--server-id=" + strconv.Itoa(s.id),
		"--socket=" + in("s"), "--pid-file=" + in("pid"), "--init-file=" + in("administrator.sql"), "--ssl-cert=" + in("server.crt"), "--ssl-key=" + in("server.key")}, args...)
	s.process = processtest.Start(s.tb, s.command("mariadbd", args...), syscall.SIGTERM)
	s.process.Await(func() error {
		_, err := s.client("SELECT 1")
		return err
	})
}

// URL is where the server answers to its administrator.
func (s *Server) URL() string {
	return fmt.Sprintf("mysql://admin:secret-word@127.0.0.1:%d/shop", s.port)
}

// SecureURL is URL with TLS, by a certificate that is not verified.
func (s *Server) SecureURL() string { return s.URL() + "?tls=skip-verify" }

// Do runs statements and returns what they print.
func (s *Server) Do(statements string) string {
	s.tb.Helper()
	out, err := s.client(statements)
	if err != nil {
		s.tb.Fatalf("%s: %v: %s", statements, err, out)
	}
	return out
}

func (s *Server) client(statements string) (string, error) {
	out, err := exec.Command(program(s.tb, "mariadb"), "--no-defaults", "--host=127.0.0.1", "--port="+strconv.Itoa(s.port), "--user=admin", "--password=secret-word",
		"--skip-column-names", "--batch", "--execute="+statements, "shop").CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Stop stops the server as its administrator does.
func (s *Server) Stop() { s.process.End(syscall.SIGTERM) }

// Kill stops the server at once, as a power cut does.
func (s *Server) Kill() { s.process.End(syscall.SIGKILL) }
