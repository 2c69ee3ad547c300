package strain_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/prober/internal/strain"
)

// TestMain lets the test start this binary as a process that does nothing but compute.
func TestMain(m *testing.M) {
	if os.Getenv("STRAIN_HOG") == "1" {
		for { //nolint:staticcheck // a hog
		}
	}
	os.Exit(m.Run())
}

// watch runs a strain with a goroutine that wakes often, as a prober does, and returns when it says what is wanted.
func watch(t *testing.T, want bool, within time.Duration) bool {
	t.Helper()
	s := &strain.Strain{}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { _ = s.Run(ctx) })
	running.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for due := time.Now(); ctx.Err() == nil; due = <-tick.C {
			s.Woke(time.Since(due))
		}
	})
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if s.Saturated() == want {
			return true
		}
	}
	return false
}

func TestHogsOnEveryProcessorSaturateTheProber(t *testing.T) {
	for range 4 * runtime.NumCPU() {
		hog := exec.CommandContext(t.Context(), os.Args[0])
		hog.Env = append(os.Environ(), "STRAIN_HOG=1")
		if err := hog.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hog.Process.Kill(); _ = hog.Wait() })
	}
	if !watch(t, true, 20*time.Second) {
		t.Error("four hogs on every processor, and the prober is not saturated")
	}
}

func TestLateWakeSaturatesUntilTheNextLook(t *testing.T) {
	s := &strain.Strain{}
	s.Woke(4 * time.Millisecond)
	if s.Saturated() {
		t.Error("four milliseconds are not much")
	}
	s.Woke(6 * time.Millisecond)
	if !s.Saturated() {
		t.Error("six milliseconds are")
	}
}
