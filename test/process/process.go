// Package process runs the processes that a benchmark measures, and reads what they cost.
package process

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is one that was started. It ends with the bench, even when that is killed.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts a program with its log in a file.
func Start(dir, name string, env map[string]string, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Env = os.Environ()
	for k, v := range maps.All(env) {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name, cmd, make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
	return p, nil
}

// Stop asks the process to end, and ends it when it does not.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// CPU is the time the process has spent on processors so far, in user and system mode, to the nanosecond as the scheduler counts it.
func (p *Process) CPU() (time.Duration, error) {
	// The clock of another process, as clock_getcpuclockid(3) makes it.
	const scheduled = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("%s: processor time: %w", p.name, err)
	}
	return time.Duration(t.Nano()), nil
}

// Peak is the most memory the process has had resident, in bytes, 0 when that is not known.
func (p *Process) Peak() uint64 { n, _ := p.memory("VmHWM"); return n }

// Resident is the memory the process has resident now, in bytes.
func (p *Process) Resident() (uint64, error) { return p.memory("VmRSS") }

func (p *Process) memory(field string) (uint64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kilobytes uint64
		if n, _ := fmt.Sscanf(lines.Text(), field+": %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("%s: /proc has no %s", p.name, field)
}
