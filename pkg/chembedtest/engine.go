// Package chembedtest gives a test a real ClickHouse: the embedded engine in a child process of its own, which the test
// may kill and start again. Where the engine cannot be had a test skips; in CI, where CI=true, it fails.
package chembedtest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/chembed"
)

// Token is the password of every engine started here.
const Token = "test-token"

// Start runs an engine on an empty directory until the test ends and gives its DSN.
func Start(tb testing.TB) (dsn string) {
	tb.Helper()
	return StartEngine(tb).DSN()
}

// Engine is a running engine.
type Engine struct {
	tb   testing.TB
	dir  string
	addr string

	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *tail
	exited chan struct{}
}

// StartEngine is Start for tests that kill the engine.
func StartEngine(tb testing.TB) *Engine {
	tb.Helper()
	return StartEngineIn(tb, tb.TempDir())
}

// StartEngineIn is StartEngine on a directory of the test's.
func StartEngineIn(tb testing.TB, dir string) *Engine {
	tb.Helper()
	e := &Engine{tb: tb, dir: dir, addr: "127.0.0.1:0"}
	e.start()
	tb.Cleanup(e.stop)
	return e
}

// Dir is the directory the engine has open.
func (e *Engine) Dir() string { return e.dir }

// Addr is host:port.
func (e *Engine) Addr() string { return e.addr }

// DSN is what clickhouse.Open takes.
func (e *Engine) DSN() string {
	u := url.URL{Scheme: "http", User: url.UserPassword("leeward", Token), Host: e.addr, Path: "/default"}
	return u.String()
}

// Kill ends the process as kill -9 does.
func (e *Engine) Kill() {
	e.tb.Helper()
	if err := e.cmd.Process.Kill(); err != nil {
		e.tb.Fatalf("kill the embedded ClickHouse: %v", err)
	}
	<-e.exited
}

// Signal sends the engine's process a signal.
func (e *Engine) Signal(s os.Signal) error { return e.cmd.Process.Signal(s) }

// Interrupt asks the process to end, as a supervisor does.
func (e *Engine) Interrupt() { _ = e.stdin.Close() }

// Wait waits until the process has ended.
func (e *Engine) Wait() { <-e.exited }

// Restart starts an engine that has ended again, on the same directory and address.
func (e *Engine) Restart() {
	e.tb.Helper()
	e.start()
}

// Stderr is the end of what the process wrote to standard error.
func (e *Engine) Stderr() string { return e.stderr.String() }

func (e *Engine) start() {
	e.tb.Helper()
	cmd, err := Command(e.dir, e.addr)
	if err != nil {
		unavailable(e.tb, err)
	}
	e.stderr = &tail{}
	cmd.Stderr = e.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		e.tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		e.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.tb.Fatalf("start the embedded ClickHouse: %v", err)
	}
	e.cmd, e.stdin, e.exited = cmd, stdin, make(chan struct{})
	ready := bufio.NewScanner(stdout)
	listening := ready.Scan()
	go func() {
		defer close(e.exited)
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	}()
	if !listening {
		<-e.exited
		e.tb.Fatalf("the embedded ClickHouse did not start: %s", e.Stderr())
	}
	e.addr = ready.Text()
}

func (e *Engine) stop() {
	_ = e.stdin.Close()
	select {
	case <-e.exited:
	case <-time.After(20 * time.Second):
		e.tb.Errorf("the embedded ClickHouse did not stop: %s", e.Stderr())
		_ = e.cmd.Process.Kill()
		<-e.exited
	}
}

// Command prepares a child process that serves dir on addr with Token. It prints its address when it is ready and ends
// when its standard input does.
func Command(dir, addr string) (*exec.Cmd, error) {
	binary, err := buildEngine()
	if err != nil {
		return nil, err
	}
	library, err := locate()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, dir, addr, Token)
	cmd.Env = append(os.Environ(), "LEEWARD_LIBCHDB="+library)
	return cmd, nil
}

func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("no embedded ClickHouse: %v", err)
	}
	tb.Skipf("no embedded ClickHouse: %v", err)
}

var locate = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return chembed.Locate(ctx, chembed.Source{File: os.Getenv("LEEWARD_LIBCHDB"), Progress: os.Stderr, Log: zerolog.Nop()})
})

// buildEngine builds the child's binary without cgo and without the race detector, whatever the test itself uses: the
// detector and libchdb's allocator are not made to share a process. It is kept under one name per checkout and renamed
// into place, so that test processes beside this one are not disturbed and nothing piles up.
var buildEngine = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	_, here, _, _ := runtime.Caller(0)
	checkout := sha256.Sum256([]byte(here))
	dir := filepath.Join(cache, "leeward", "chembedtest", hex.EncodeToString(checkout[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "engine")
	fresh := fmt.Sprintf("%s.%d", binary, os.Getpid())
	build := exec.Command("go", "build", "-o", fresh, "github.com/leeward-failover/leeward/pkg/chembedtest/engine")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the engine's process: %w: %s", err, out)
	}
	return binary, os.Rename(fresh, binary)
})

// tail keeps the last 16 KiB.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	t.buf = t.buf[max(0, len(t.buf)-16<<10):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
