// Package redistest gives a test real Redis servers: a primary, and replicas that follow it.
package redistest

import (
	"errors"
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

// Server is a running server on two loopback ports, the second for TLS. It keeps nothing on disk.
type Server struct {
	tb           testing.TB
	port, secure int
	process      *processtest.Process
}

const password = "secret-word"

// Start runs a server until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb)
}

// Follow runs a replica of the server until the test ends.
func (s *Server) Follow() *Server {
	s.tb.Helper()
	r := start(s.tb, fmt.Sprintf("replicaof 127.0.0.1 %d", s.port))
	r.process.Await(func() error {
		if out := r.Do("INFO", "replication"); !strings.Contains(out, "master_link_status:up") {
			return errors.New(out)
		}
		return nil
	})
	return r
}

func start(tb testing.TB, more ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb, port: processtest.Port(tb), secure: processtest.Port(tb)}
	folder := tb.TempDir()
	certificate, key := processtest.Certificate(tb, folder)
	lines := append([]string{
		"bind 127.0.0.1", fmt.Sprintf("port %d", s.port), fmt.Sprintf("tls-port %d", s.secure), "tls-cert-file " + certificate, "tls-key-file " + key, "tls-auth-clients no",
		"dir " + folder, `save ""`, "appendonly no", "repl-diskless-sync-delay 0", "requirepass " + password, "masterauth " + password,
	}, more...)
	config := filepath.Join(folder, "redis.conf")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.process = processtest.Start(tb, exec.Command(processtest.Program(tb, "redis-server"), config), syscall.SIGTERM)
	s.process.Await(func() error {
		out, err := s.client("PING")
		if err == nil && out != "PONG" {
			err = errors.New(out)
		}
		return err
	})
	return s
}

// URL is where the server answers to its administrator.
func (s *Server) URL() string { return fmt.Sprintf("redis://:%s@127.0.0.1:%d", password, s.port) }

// SecureURL is URL with TLS, by a certificate that is not verified.
func (s *Server) SecureURL() string {
	return fmt.Sprintf("rediss://:%s@127.0.0.1:%d?skip_verify=true", password, s.secure)
}

// Do runs a command and returns what it prints.
func (s *Server) Do(command ...string) string {
	s.tb.Helper()
	out, err := s.client(command...)
	if err != nil {
		s.tb.Fatalf("%v: %v: %s", command, err, out)
	}
	return out
}

func (s *Server) client(command ...string) (string, error) {
	args := append([]string{"-p", strconv.Itoa(s.port), "-a", password, "--no-auth-warning", "-e"}, command...)
	out, err := exec.Command(processtest.Program(s.tb, "redis-cli"), args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Leave makes a replica lose its primary, and keep and show what it has.
func (s *Server) Leave() { s.Do("REPLICAOF", "127.0.0.1", "1") }

// Rejoin makes a server follow another.
func (s *Server) Rejoin(primary *Server) { s.Do("REPLICAOF", "127.0.0.1", strconv.Itoa(primary.port)) }

// Stop stops the server as its administrator does.
func (s *Server) Stop() { s.process.End(syscall.SIGTERM) }

// Kill stops the server at once, as a power cut does.
func (s *Server) Kill() { s.process.End(syscall.SIGKILL) }
