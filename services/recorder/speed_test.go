package recorder_test

import (
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// TestSamplesAreVisibleSoon publishes as a prober at work does and measures when each batch can be queried.
func TestSamplesAreVisibleSoon(t *testing.T) {
	w := newWorld(t)
	w.run(nil)
	w.untilReady()
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	const batches = 40
	var sent []time.Time
	seen := make([]time.Duration, 0, batches)
	look := func() {
		counter, err := w.number("SELECT max(counter) FROM samples")
		if err != nil {
			t.Fatal(err)
		}
		for uint64(len(seen)) < counter {
			seen = append(seen, time.Since(sent[len(seen)]))
		}
	}
	beat := time.NewTicker(50 * time.Millisecond)
	defer beat.Stop()
	for deadline := time.Now().Add(patience); len(seen) < batches; look() {
		select {
		case <-beat.C:
			if len(sent) < batches {
				sent = append(sent, time.Now())
				if err := publish(t.Context(), prober, batch("tokyo", uint64(len(sent)), 100, time.Now())); err != nil {
					t.Fatal(err)
				}
			}
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d batches are visible", len(seen), batches)
		}
	}
	slices.Sort(seen)
	t.Logf("visible after publish: p50 %v, p99 %v", seen[batches/2], seen[batches-1])
	// The promise is 1 s on a machine that has time for it; a machine that is busy with other tests gets more.
	if got := seen[batches-1]; got > 5*time.Second {
		t.Errorf("the slowest batch was visible after %v, want 5 s at most", got)
	}
}

// TestBacklogDrains records what piled up while the recorder was away, at full speed.
func TestBacklogDrains(t *testing.T) {
	w := newWorld(t)
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	const batches, rows = 300, 1000
	now := time.Now()
	for counter := range uint64(batches) {
		if err := publish(t.Context(), prober, batch("tokyo", counter+1, rows, now)); err != nil {
			t.Fatal(err)
		}
	}
	w.run(nil)
	w.untilReady()
	begin := time.Now()
	w.wantOnce(batches * rows)
	t.Logf("%.0f rows/s", batches*rows/time.Since(begin).Seconds())
	blocks, err := w.number("SELECT uniqExact(_part) FROM samples")
	if err != nil || blocks > 8 {
		t.Errorf("%d parts, %v: %d rows in blocks of 100,000 want a few", blocks, err, batches*rows)
	}
}
