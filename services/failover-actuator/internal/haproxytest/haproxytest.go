// Package haproxytest runs a real HAProxy for tests, and a relay that can stop what goes to its runtime socket.
package haproxytest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is a server of the backend.
type Server struct {
	Name, Addr string
	Weight     int
}

// HAProxy is a running HAProxy with one backend, called shop.
type HAProxy struct {
	// Socket is the runtime socket, URL the entry.
	Socket, URL string

	tb     testing.TB
	config string
	stop   func()
}

// Backend is the name of the backend.
const Backend = "shop"

// Start starts HAProxy on a free loopback port and stops it when the test ends. Where HAProxy is not installed the test is skipped, in CI it fails.
func Start(tb testing.TB, servers ...Server) *HAProxy {
	tb.Helper()
	if _, err := exec.LookPath("haproxy"); err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatal("haproxy is not installed: apt-get install haproxy")
		}
		tb.Skip("haproxy is not installed: apt-get install haproxy")
	}
	dir, err := os.MkdirTemp("", "haproxy") //nolint:usetesting // the path of a socket is at most 107 bytes, and tb.TempDir's may be longer
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	addr := free(tb)
	h := &HAProxy{Socket: filepath.Join(dir, "run.sock"), URL: "http://" + addr, tb: tb, config: filepath.Join(dir, "haproxy.cfg")}
	var config strings.Builder
	fmt.Fprintf(&config, "global\n  stats socket %s mode 600 level admin\n", h.Socket)
	fmt.Fprint(&config, "defaults\n  mode http\n  timeout connect 500ms\n  timeout client 5s\n  timeout server 5s\n  retries 0\n")
	fmt.Fprintf(&config, "frontend entry\n  bind %s\n  default_backend %s\nbackend %s\n", addr, Backend, Backend)
	for _, s := range servers {
		fmt.Fprintf(&config, "  server %s %s weight %d\n", s.Name, s.Addr, s.Weight)
	}
	if err := os.WriteFile(h.config, []byte(config.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	h.start()
	tb.Cleanup(func() { h.stop() })
	return h
}

// Restart kills HAProxy and starts it again: weights set at run time are lost.
func (h *HAProxy) Restart() {
	h.tb.Helper()
	h.stop()
	h.start()
}

// Stop kills HAProxy.
func (h *HAProxy) Stop() { h.stop() }

func (h *HAProxy) start() {
	h.tb.Helper()
	var said bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "haproxy", "-db", "-f", h.config)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		cancel()
		h.tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	h.stop = func() { cancel(); <-ended }
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if conn, err := net.Dial("unix", h.Socket); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			h.tb.Fatalf("haproxy ended: %s\n%s", cmd.ProcessState, said.String())
		default:
		}
		if time.Now().After(deadline) {
			h.stop()
			h.tb.Fatalf("haproxy does not answer on %s\n%s", h.Socket, said.String())
		}
	}
}

func free(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
