// Package processtest runs other people's programs for a test: servers on loopback ports, which end with it. Where a program is not installed a test skips;
// in CI, where CI=true, it fails.
package processtest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Program finds a program in the path, or in the folders that a pattern names.
func Program(tb testing.TB, name string, folders ...string) string {
	tb.Helper()
	for _, folder := range folders {
		if found, _ := filepath.Glob(filepath.Join(folder, name)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	why := name + " is not installed (make install)"
	if os.Getenv("CI") != "" {
		tb.Fatal(why)
	}
	tb.Skip(why)
	return ""
}

// Port is a loopback port that was free a moment ago.
func Port(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// Process is a program that runs.
type Process struct {
	tb  testing.TB
	cmd *exec.Cmd
	out Output
}

// Start starts a program. When the test ends it gets stop, and is waited for.
func Start(tb testing.TB, cmd *exec.Cmd, stop syscall.Signal) *Process {
	tb.Helper()
	p := &Process{tb: tb, cmd: cmd}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithTest(cmd.SysProcAttr)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.End(stop) })
	return p
}

// Await waits until the program does what it is for.
func (p *Process) Await(answers func() error) {
	p.tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := answers()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.tb.Fatalf("%s does not answer: %v\n%s", filepath.Base(p.cmd.Path), err, &p.out)
		}
	}
}

// Signal sends a signal.
func (p *Process) Signal(signal syscall.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.tb.Fatal(err)
	}
}

// End ends the program with a signal, once.
func (p *Process) End(signal syscall.Signal) {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(signal)
		_ = p.cmd.Wait()
	}
}

// Output is what a program has printed so far; it may be read while the program goes on.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to what was printed.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is all that was printed so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
