package prober_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

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

func spooled(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "*.batch"))
	return len(files)
}

func TestNoSampleIsLostOrStoredTwiceWhenTheBusGoesAndComesBack(t *testing.T) {
	s := bustest.Start(t, "london")
	app := startApp(t)
	apply(t, s, topology(beat/4, schemas.Endpoint{Variant: "single", HTTP: app.URL, TCP: app.address()}, schemas.Endpoint{Variant: "slim", TCP: app.address()}))
	dir := t.TempDir()
	start(t, settings(t, s, dir))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool { return len(b) >= 3 })
	s.Stop()
	wait(t, "batches in the spool", func() bool { return spooled(dir) >= 6 })
	s.Restart()
	back := time.Now()
	batches := stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool {
		return newest(b).After(back.Add(time.Second)) && spooled(dir) <= 1
	})
	identities(t, batches, beat/4)
}

func TestKilledProberLeavesItsSpoolToTheNext(t *testing.T) {
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
	wait(t, "batches in the spool", func() bool { return spooled(dir) >= 4 })
	_ = child.Process.Kill()
	_ = child.Wait()
	left := spooled(dir)
	s.Restart()
	start(t, settings(t, s, dir))
	boots := map[uint64]bool{}
	batches := stored(ctx, t, s.Connect(schemas.Recorder, ""), func(b []*schemas.SampleBatch) bool {
		boots[b[len(b)-1].Boot] = true
		return len(boots) == 2 && spooled(dir) <= 1
	})
	identities(t, batches, beat/4)
	if len(batches) < left+3 {
		t.Errorf("%d batches are stored, of which %d were left in the spool", len(batches), left)
	}
}
