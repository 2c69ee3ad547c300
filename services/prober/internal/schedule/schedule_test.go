package schedule_test

import (
	"context"
	"fmt"
	"sync"
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

// turn runs a wheel until a test has seen enough.
func turn(t *testing.T, w *schedule.Wheel, enough <-chan struct{}) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	select {
	case <-enough:
	case <-time.After(10 * time.Second):
		t.Error("nothing more was due")
	}
	stop()
	running.Wait()
}

func TestWheelFiresEveryRoundOfEveryTaskOnceAndInTime(t *testing.T) {
	const tasks, rounds = 50, 20
	w := schedule.NewWheel()
	fired, enough, early, total := map[int][]time.Time{}, make(chan struct{}), 0, 0
	began := time.Now()
	for i := range tasks {
		beat := schedule.Beat{Interval: 20 * time.Millisecond, Phase: schedule.Spread(20*time.Millisecond, fmt.Sprint(i))}
		w.Add(beat.Every(func(due time.Time) {
			if time.Now().Before(due) {
				early++
			}
			if fired[i] = append(fired[i], due); len(fired[i]) == rounds {
				if total++; total == tasks {
					close(enough)
				}
			}
		}, func(n int) { t.Errorf("%d rounds missed", n) }), beat.After(began))
	}
	turn(t, w, enough)
	for i, due := range fired {
		for k := range due[1:] {
			if gap := due[k+1].Sub(due[k]); gap != 20*time.Millisecond {
				t.Errorf("task %d: round %d came %s after the one before", i, k+1, gap)
			}
		}
	}
	if early > 0 {
		t.Errorf("%d rounds before they were due", early)
	}
}

func TestWheelTakesATaskThatIsDueBeforeTheOneItWaitsFor(t *testing.T) {
	w := schedule.NewWheel()
	fired := make(chan struct{})
	now := time.Now()
	w.Add(&schedule.Task{Fire: func(_, _ time.Time) time.Time { t.Error("a task of the next minute was fired"); return time.Time{} }}, now.Add(time.Minute))
	time.AfterFunc(50*time.Millisecond, func() {
		w.Add(&schedule.Task{Fire: func(_, _ time.Time) time.Time { close(fired); return time.Time{} }}, time.Now().Add(20*time.Millisecond))
	})
	turn(t, w, fired)
}

func TestBeatCountsWhatAStandstillPassedOver(t *testing.T) {
	beat, now := schedule.Beat{Interval: 2 * time.Second}, time.Now()
	run, missed := beat.Behind(now.Add(-time.Minute), now)
	if missed != 30 || now.Sub(run) > beat.Interval {
		t.Errorf("after a minute's standstill %d rounds were missed, and one is run that is %s old", missed, now.Sub(run))
	}
	if run, missed := beat.Behind(now.Add(-time.Second), now); missed != 0 || !run.Equal(now.Add(-time.Second)) {
		t.Errorf("a round that is a second late is run as that of %s, and %d are missed", run, missed)
	}
}

// TestClockThatIsSetShiftsNoRound sets the clock forward and back: the beat goes on by the new time, no round is late and none is counted as missed.
func TestClockThatIsSetShiftsNoRound(t *testing.T) {
	for _, by := range []time.Duration{5 * time.Second, -5 * time.Second} {
		w := schedule.NewWheel()
		began, set := time.Now(), false
		w.Clock = func() (time.Time, time.Duration) {
			now := time.Now()
			wall := now.Round(0)
			if set = set || now.Sub(began) > 100*time.Millisecond; set {
				wall = wall.Add(by)
			}
			return wall, now.Sub(began)
		}
		beat := schedule.Beat{Interval: 30 * time.Millisecond, Phase: 7 * time.Millisecond}
		enough, rounds := make(chan struct{}), 0
		task := beat.Every(nil, func(n int) { t.Errorf("set by %s: %d rounds missed", by, n) })
		task.Fire = func(due, now time.Time) time.Time {
			if late := now.Sub(due); late < 0 || late > 25*time.Millisecond {
				t.Errorf("set by %s: a round was fired %s after its due time", by, late)
			}
			if !due.Equal(beat.After(due.Add(-1))) {
				t.Errorf("set by %s: a round at %s is not on the beat", by, due)
			}
			if rounds++; rounds == 10 {
				close(enough)
			}
			return beat.After(due)
		}
		w.Add(task, beat.After(began))
		turn(t, w, enough)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("set by %s: ten rounds took %s", by, took)
		}
	}
}
