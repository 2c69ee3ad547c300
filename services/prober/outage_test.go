package prober_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// outage is how long the bus is gone; make test-long gives it a minute.
var outage = flag.Duration("outage", 1500*time.Millisecond, "how long the bus is gone")

// identities fails on a batch that is stored twice, and counts each due time of each cell: a sample is lost or measured twice where the count is not 1.
func identities(t *testing.T, batches []*schemas.SampleBatch, interval time.Duration) {
	t.Helper()
	seen, due := map[string]bool{}, map[string][]int64{}
	for _, b := range batches {
		if id := b.MessageID(); seen[id] {
			t.Errorf("batch %s is stored twice", id)
		} else {
			seen[id] = true
		}
		for i := range b.Len() {
			s := b.At(i)
			cell := fmt.Sprintf("%d %s %s", b.Boot, s.Variant, s.Kind)
			due[cell] = append(due[cell], s.DueUS)
		}
	}
	for cell, times := range due {
		rounds := map[int64]int{}
		first, last := times[0], times[0]
		for _, us := range times {
			rounds[us]++
			first, last = min(first, us), max(last, us)
		}
		for us := first; us <= last; us += interval.Microseconds() {
			if rounds[us] != 1 {
				t.Errorf("%s: %d samples were due at %d, want 1", cell, rounds[us], us)
			}
		}
		if want := int((last-first)/interval.Microseconds()) + 1; len(times) != want {
			t.Errorf("%s: %d samples, want %d", cell, len(times), want)
		}
	}
}

func newest(batches []*schemas.SampleBatch) time.Time {
	us := int64(0)
	for _, b := range batches {
		for _, d := range b.DueUS {
			us = max(us, d)
		}
	}
	return time.UnixMicro(us)
}

// whole says whether a prober's batches are all there up to the newest: one that was under way when the bus went may come last.
func whole(batches []*schemas.SampleBatch) bool {
	last := uint64(0)
	for _, b := range batches {
		last = max(last, b.Counter)
	}
	return uint64(len(batches)) == last
}

func spooled(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.batch"))
	return files
}

func TestNoSampleIsLostOrStoredTwiceWhenTheBusGoesAndComesBack(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	app := startApp(t)
	apply(t, s, topology(beat/4, schemas.Endpoint{Variant: "single", HTTP: app.URL, TCP: app.address()}, schemas.Endpoint{Variant: "slim", TCP: app.address()}))
	dir := t.TempDir()
	start(t, settings(t, s, dir))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second+2**outage)
	defer cancel()
	stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool { return len(b) >= 3 })
	s.Stop()
	time.Sleep(*outage)
	wait(t, "batches in the spool", func() bool { return len(spooled(dir)) >= max(6, int(*outage/time.Second)) })
	s.Restart()
	back := time.Now()
	batches := stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool {
		return newest(b).After(back.Add(time.Second)) && whole(b)
	})
	identities(t, batches, beat/4)
}

func TestKilledProberLeavesItsSpoolToTheNext(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	app := startApp(t)
	apply(t, s, topology(beat/4, schemas.Endpoint{Variant: "single", TCP: app.address()}))
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "LEEWARD_TEST_PROBER=1")
	for name, value := range settings(t, s, dir) {
		child.Env = append(child.Env, name+"="+value)
	}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool { return len(b) >= 2 })
	s.Stop()
	wait(t, "batches in the spool", func() bool { return len(spooled(dir)) >= 4 })
	_ = child.Process.Kill()
	_ = child.Wait()
	left := spooled(dir)
	s.Restart()
	start(t, settings(t, s, dir))
	boots := map[uint64]bool{}
	batches := stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool {
		boots[b[len(b)-1].Boot] = true
		return len(boots) == 2 && !slices.ContainsFunc(spooled(dir), func(file string) bool { return slices.Contains(left, file) })
	})
	identities(t, batches, beat/4)
	if len(batches) < len(left)+3 {
		t.Errorf("%d batches are stored, though %d were left in the spool", len(batches), len(left))
	}
}
