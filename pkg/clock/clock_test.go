package clock_test

import (
	"context"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/clock"
)

func TestUntilIsNeverEarlyAndHardlyLate(t *testing.T) {
	best := time.Hour
	for range 20 {
		due := time.Now().Add(7 * time.Millisecond)
		if !clock.Until(t.Context(), due) {
			t.Fatal("the wait was broken off")
		}
		late := time.Since(due)
		if late < 0 {
			t.Fatalf("woke %s early", -late)
		}
		best = min(best, late)
	}
	// The best of twenty, so that a busy machine does not fail it.
	if best > 500*time.Microsecond {
		t.Errorf("woke %s late at best", best)
	}
}

func TestUntilEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	began := time.Now()
	if clock.Until(ctx, began.Add(time.Minute)) {
		t.Error("a wait that was broken off says it was not")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s to end", took)
	}
}
