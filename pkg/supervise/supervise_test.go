package supervise_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/supervise"
)

func TestKilledProcessIsStartedAgainAndAllEndWithTheContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	states := make(chan supervise.State, 16)
	s := &supervise.Supervisor{Logs: t.TempDir(), Log: zerolog.Nop(), Changed: func(all []supervise.State) { states <- all[0] }}
	starts := make(chan struct{}, 16)
	err := s.Start(ctx, supervise.Process{Name: "sleeper", Argv: []string{"sleep", "600"}, Ready: func(context.Context) error { return nil }, Started: func(context.Context) { starts <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	first := <-states
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	dead, again := <-states, <-states
	if dead.Running || !again.Running || again.PID == first.PID || again.Restarts != 1 {
		t.Errorf("after the kill: %+v, then %+v", dead, again)
	}
	<-starts
	<-starts
	stop()
	s.Wait()
	if err := syscall.Kill(again.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d outlived its supervisor: %v", again.PID, err)
	}
}

func TestProcessThatDiesBeforeItIsReadyIsAnErrorWithItsLastWords(t *testing.T) {
	logs := t.TempDir()
	s := &supervise.Supervisor{Logs: logs, Log: zerolog.Nop(), Changed: func([]supervise.State) {}}
	ctx, stop := context.WithCancel(t.Context())
	waiting := func(context.Context) error {
		time.Sleep(time.Millisecond)
		return errors.New("not yet")
	}
	err := s.Start(ctx, supervise.Process{Name: "broken", Argv: []string{"sh", "-c", "echo no such setting; exit 3"}, Ready: waiting})
	stop()
	s.Wait()
	if err == nil || !strings.Contains(err.Error(), "no such setting") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Start = %v, want the exit status and the last words", err)
	}
	if data, err := os.ReadFile(filepath.Join(logs, "broken.log")); err != nil || !strings.Contains(string(data), "no such setting") {
		t.Errorf("log %q, %v", data, err)
	}
}
