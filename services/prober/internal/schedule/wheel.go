package schedule

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/clock"
)

// Tick is what due times are whole numbers of, so that what is due at about one time is started in one burst and the processor rests between two.
const Tick = time.Millisecond

// Task is something that is due again and again.
type Task struct {
	// Fire does what is due, without blocking, and returns when the task is next due, or zero for never.
	Fire func(due, now time.Time) (next time.Time)
	// Set says that the clock was set by so much, and returns when the task is due by the new one.
	Set func(due time.Time, by time.Duration) (next time.Time)

	due time.Time
}

// Wheel fires tasks at absolute times from one goroutine.
type Wheel struct {
	// Burst is called when everything that was due has been fired.
	Burst func()
	// Woke is told how long after its due time the first task of a burst was fired.
	Woke func(late time.Duration)
	// Clock reads the wall clock, and one that nobody sets.
	Clock func() (wall time.Time, running time.Duration)

	mu    sync.Mutex
	tasks tasks
	// alarm is set to when the first task is due while the wheel runs.
	alarm *clock.Alarm
}

// NewWheel makes a wheel without tasks.
func NewWheel() *Wheel {
	began := time.Now()
	read := func() (time.Time, time.Duration) { now := time.Now(); return now.Round(0), now.Sub(began) }
	return &Wheel{Burst: func() {}, Woke: func(time.Duration) {}, Clock: read}
}

// Add has a task fired from a time on.
func (w *Wheel) Add(t *Task, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.due = due
	heap.Push(&w.tasks, t)
	if w.tasks[0] == t {
		w.setAlarm()
	}
}

// longest is the most that is slept at once: a clock that was set is noticed that soon.
const longest = time.Second

// Run fires what is due until ctx ends.
func (w *Wheel) Run(ctx context.Context) error {
	alarm, err := clock.NewAlarm()
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.alarm = alarm
	w.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { alarm.Set(0) })
	defer w.end(stop)
	before, since := w.Clock()
	for ctx.Err() == nil {
		w.mu.Lock()
		w.setAlarm()
		w.mu.Unlock()
		alarm.Wait()
		now, running := w.Clock()
		if by := now.Sub(before) - (running - since); by.Abs() >= step {
			w.set(by)
		}
		before, since = now, running
		w.fire(now)
	}
	return ctx.Err()
}

// step is by how much the clock must differ from what a steered one may, from one look to the next, to have been set.
const step = 5 * time.Millisecond

// setAlarm sets the alarm to when the first task is due; the lock is held.
func (w *Wheel) setAlarm() {
	if w.alarm == nil {
		return
	}
	wait := longest
	if len(w.tasks) > 0 {
		wall, _ := w.Clock()
		wait = min(wait, w.tasks[0].due.Sub(wall))
	}
	w.alarm.Set(wait)
}

// end gives the alarm back when nobody can set it any more.
func (w *Wheel) end(stop func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stop()
	w.alarm.Close()
	w.alarm = nil
}

func (w *Wheel) set(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tasks {
		t.due = t.Set(t.due, by)
	}
	heap.Init(&w.tasks)
}

func (w *Wheel) fire(now time.Time) {
	fired := false
	for t := w.take(now); t != nil; t = w.take(now) {
		if !fired {
			w.Woke(now.Sub(t.due))
		}
		fired = true
		if next := t.Fire(t.due, now); !next.IsZero() {
			w.mu.Lock()
			t.due = next
			heap.Push(&w.tasks, t)
			w.mu.Unlock()
		}
	}
	if fired {
		w.Burst()
	}
}

// take removes the first task if it is due.
func (w *Wheel) take(now time.Time) *Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.tasks) == 0 || w.tasks[0].due.After(now) {
		return nil
	}
	return heap.Pop(&w.tasks).(*Task)
}

// tasks is a heap, the first due on top.
type tasks []*Task

func (t tasks) Len() int           { return len(t) }
func (t tasks) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t tasks) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)        { *t = append(*t, x.(*Task)) }
func (t *tasks) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	return x
}
