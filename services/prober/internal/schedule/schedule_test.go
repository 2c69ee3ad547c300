package schedule_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
)

func TestPhaseDependsOnNamesAlone(t *testing.T) {
	// Pinned: another value would move every target of every installation at an upgrade.
	if got, want := schedule.Spread(time.Second, "london", "shop", "tokyo"), 968868641*time.Nanosecond; got != want {
		t.Errorf("phase %d, want %d", got, want)
	}
	if schedule.Spread(time.Second, "ab", "c") == schedule.Spread(time.Second, "a", "bc") {
		t.Error("names run into each other")
	}
}

func TestPhasesAreSpreadEvenly(t *testing.T) {
	const targets, tenths = 10_000, 10
	var counts [tenths]int
	for i := range targets {
		counts[int(schedule.Spread(time.Second, "london", fmt.Sprint(i))*tenths/time.Second)]++
	}
	for i, n := range counts {
		if n < 850 || n > 1150 {
			t.Errorf("%d of %d targets are due in tenth %d of the interval, want about 1000", n, targets, i)
		}
	}
}

func TestBeatIsTheSameWhoeverAsksWhen(t *testing.T) {
	beat := schedule.Beat{Interval: 700 * time.Millisecond, Phase: 123 * time.Millisecond}
	first := beat.After(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if wait := first.Sub(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)); wait <= 0 || wait > beat.Interval {
		t.Errorf("the first beat is %s away", wait)
	}
	for k := range 1000 {
		due := first.Add(time.Duration(k) * beat.Interval)
		if got := beat.After(due.Add(-time.Nanosecond)); !got.Equal(due) {
			t.Fatalf("just before %s the next beat is %s", due, got)
		}
		if got := beat.After(due); !got.Equal(due.Add(beat.Interval)) {
			t.Fatalf("at %s the next beat is %s", due, got)
		}
	}
	if got := beat.After(time.Unix(-1, 0)); got.Before(time.Unix(-1, 0)) {
		t.Errorf("before 1970 the next beat is %s", got)
	}
}

func TestBeatRunsEveryRoundOnceAndGoesOnWhereItEnded(t *testing.T) {
	beat := schedule.Beat{Interval: 5 * time.Millisecond, Phase: time.Millisecond}
	var due []time.Time
	run := func(after time.Time, rounds int) time.Time {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		return beat.Run(ctx, after, func(d time.Time) {
			if due = append(due, d); len(due) >= rounds {
				stop()
			}
		}, func(n int) { t.Errorf("%d rounds missed", n) })
	}
	run(run(time.Now(), 20), 40)
	for i, d := range due[1:] {
		if gap := d.Sub(due[i]); gap != beat.Interval {
			t.Errorf("round %d came %s after the one before, want %s", i+1, gap, beat.Interval)
		}
	}
}

func TestBeatCountsWhatAStandstillPassedOver(t *testing.T) {
	beat, missed, rounds := schedule.Beat{Interval: 2 * time.Second}, 0, 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	last := beat.Run(ctx, time.Now().Add(-time.Minute), func(time.Time) { rounds++; stop() }, func(n int) { missed += n })
	if rounds != 1 || missed < 28 || missed > 29 || time.Since(last) > beat.Interval {
		t.Errorf("after a minute's standstill %d rounds ran and %d were missed, the last at %s ago", rounds, missed, time.Since(last))
	}
}
