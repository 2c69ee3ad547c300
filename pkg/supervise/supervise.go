// Package supervise keeps programs running: it starts each, waits until it answers, starts it again when it dies and
// stops it at the end. What each program prints goes to a file of its own.
package supervise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// Process is a program to keep running.
type Process struct {
	// Name names its log file.
	Name string
	// Argv is the program and its arguments.
	Argv []string
	// Env is its whole environment beside PATH.
	Env []string
	// Started is called after each start, before the program is ready; nil for nothing. It must not wait for the program's end.
	Started func(context.Context)
	// Ready returns nil once the program answers.
	Ready func(context.Context) error
	// Health is the address where the program says how it is, if this machine can ask it; it is passed on in the states.
	Health string
	// Stop is the signal that ends it well, SIGTERM by default.
	Stop syscall.Signal
}

// State tells how a process fares.
type State struct {
	Name     string    `json:"name"`
	Running  bool      `json:"running"`
	PID      int       `json:"pid"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Health   string    `json:"health,omitempty"`
}

// Supervisor keeps processes running until its context ends.
type Supervisor struct {
	// Logs is the folder of the log files.
	Logs string
	// Log gets a line for each process that died.
	Log zerolog.Logger
	// Changed is called, one call at a time, with all states whenever one changes.
	Changed func([]State)

	group  errgroup.Group
	mu     sync.Mutex
	states []State
}

const (
	readyWithin = 30 * time.Second
	stopWithin  = 8 * time.Second
	backoffMin  = 200 * time.Millisecond
	backoffMax  = 5 * time.Second
)

var errEnded = errors.New("exit status 0")

// Start starts a process, keeps it running until ctx ends and returns when it is ready. A process that dies before it
// was ready is an error, with the end of what it printed.
func (s *Supervisor) Start(ctx context.Context, p Process) error {
	cmd, err := s.launch(ctx, p)
	if err != nil {
		return err
	}
	index := s.add(p, cmd.Process.Pid)
	s.started(ctx, p)
	exited := make(chan error, 1)
	s.group.Go(func() error {
		err := cmd.Wait()
		exited <- err
		s.keep(ctx, p, index, err)
		return nil
	})
	waiting, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		err := p.Ready(waiting)
		if err == nil {
			return nil
		}
		select {
		case died := <-exited:
			return fmt.Errorf("%s ended before it was ready: %w%s", p.Name, cmp.Or(died, errEnded), s.tail(p.Name))
		case <-waiting.Done():
			return fmt.Errorf("%s is not ready: %w%s", p.Name, err, s.tail(p.Name))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Wait returns when every process has stopped, which they do once the context they were started with ends.
func (s *Supervisor) Wait() {
	_ = s.group.Wait()
}

// keep starts a process that died again, ever slower, until ctx ends.
func (s *Supervisor) keep(ctx context.Context, p Process, index int, died error) {
	backoff := backoffMin
	for ctx.Err() == nil {
		s.Log.Warn().Str("process", p.Name).AnErr("error", died).Dur("backoff", backoff).Msg("process died")
		s.set(index, 0)
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		began := time.Now()
		cmd, err := s.launch(ctx, p)
		if err == nil {
			s.set(index, cmd.Process.Pid)
			s.started(ctx, p)
			err = cmd.Wait()
		}
		died = err
		backoff = min(2*backoff, backoffMax)
		if time.Since(began) > time.Minute {
			backoff = backoffMin
		}
	}
}

func (s *Supervisor) launch(ctx context.Context, p Process) (*exec.Cmd, error) {
	out, err := os.OpenFile(s.logFile(p.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	stop := syscall.SIGTERM
	if p.Stop != 0 {
		stop = p.Stop
	}
	cmd := exec.CommandContext(ctx, p.Argv[0], p.Argv[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, p.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(stop) }
	cmd.WaitDelay = stopWithin
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	return cmd, nil
}

func (s *Supervisor) logFile(name string) string {
	return filepath.Join(s.Logs, name+".log")
}

// tail is the end of a log file, for an error message.
func (s *Supervisor) tail(name string) string {
	text, err := os.ReadFile(s.logFile(name))
	if err != nil || len(text) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "\n  " + strings.Join(lines[max(0, len(lines)-5):], "\n  ")
}

// started calls the process's hook beside everything else.
func (s *Supervisor) started(ctx context.Context, p Process) {
	if p.Started == nil {
		return
	}
	s.group.Go(func() error {
		p.Started(ctx)
		return nil
	})
}

func (s *Supervisor) add(p Process, pid int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, State{Name: p.Name, Running: true, PID: pid, Since: time.Now(), Health: p.Health})
	s.Changed(append([]State(nil), s.states...))
	return len(s.states) - 1
}

// set records that a process runs with a pid, or with 0 that it died.
func (s *Supervisor) set(index, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := &s.states[index]
	if pid != 0 {
		state.Restarts++
	}
	state.Running, state.PID, state.Since = pid != 0, pid, time.Now()
	s.Changed(append([]State(nil), s.states...))
}
