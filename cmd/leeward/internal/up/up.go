package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/schemas"
)

// Options say what to run and where.
type Options struct {
	State State
	// Program is the leeward binary.
	Program string
	// Vantages get a prober each.
	Vantages []string
	BusAddr  string
	APIAddr  string
	// ClickHouse is a reference to a server's DSN; empty runs the embedded engine.
	ClickHouse     string
	ClickHouseAddr string
	BuildKit       string
	BuildRoot      string
	// Wrap puts a command in front of a child's, by the child's name, as nsenter for a prober in another network.
	Wrap map[string][]string
	// Health is where a service serves its health instead of on loopback, by the child's name, as a prober in another network.
	Health map[string]string
	// Loopback simulates the regions on this machine.
	Loopback bool
	// Progress is told each step as it ends.
	Progress io.Writer
	Log      zerolog.Logger
}

// ErrRunning says that another up has the state folder.
var ErrRunning = errors.New("leeward is up already")

// Run starts everything, calls ready once all of it answers, and keeps it running until ctx ends.
func Run(ctx context.Context, o Options, ready func()) error {
	if err := o.State.prepare(); err != nil {
		return err
	}
	unlock, err := o.State.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := natsd.CreateKeys(o.State.Keys(), o.Vantages); err != nil {
		return err
	}
	children, err := o.children()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &supervise.Supervisor{Logs: o.State.Logs(), Log: o.Log, Changed: func(states []supervise.State) {
		if err := o.State.record(states); err != nil {
			o.Log.Warn().Err(err).Msg("process states not written")
		}
	}}
	defer s.Wait()
	defer stop()
	for _, child := range children {
		began := time.Now()
		if err := s.Start(ctx, child); err != nil {
			return err
		}
		fmt.Fprintf(o.Progress, "%-20s ready after %.1f s\n", child.Name, time.Since(began).Seconds())
	}
	ready()
	<-ctx.Done()
	return ctx.Err()
}

// Running says whether some process has the state folder.
func (s State) Running() bool {
	unlock, err := s.lock()
	if err == nil {
		unlock()
	}
	return errors.Is(err, ErrRunning)
}

// lock takes the state folder for this process and writes its id there.
func (s State) lock() (unlock func(), err error) {
	f, err := os.OpenFile(s.PIDFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w with its state in %s (leeward down --state %s)", ErrRunning, s, s), f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// Down stops the supervisor that has the state folder, and waits until it and its children are gone.
func Down(ctx context.Context, s State) (wasUp bool, err error) {
	for first := true; ; first = false {
		f, err := os.OpenFile(s.PIDFile(), os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			return !first, nil
		}
		if err != nil {
			return false, err
		}
		free := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
		data, _ := io.ReadAll(f)
		_ = f.Close()
		if free {
			return !first, nil
		}
		pid := 0
		if _, err := fmt.Sscan(strings.TrimSpace(string(data)), &pid); err != nil || pid <= 1 {
			return false, fmt.Errorf("%s holds no process id", s.PIDFile())
		}
		if first {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				return false, fmt.Errorf("stop process %d: %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return true, fmt.Errorf("process %d did not stop: %w", pid, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// create makes the streams, buckets and consumers after each start of the bus; what is there stays.
func (o Options) create(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b, err := bus.Connect(bus.Options{URL: "nats://" + o.BusAddr, Seed: natsd.SeedFile(o.State.Keys(), string(schemas.Setup)), Service: schemas.Setup, Log: zerolog.Nop()})
	if err != nil {
		o.Log.Error().Err(err).Msg("bus not set up")
		return
	}
	defer b.Close()
	if err := b.Create(ctx, o.Vantages); err != nil && ctx.Err() == nil {
		o.Log.Error().Err(err).Msg("bus not set up")
	}
}
