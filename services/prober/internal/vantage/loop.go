package vantage

import (
	"context"
	"time"

	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
)

// loop is a beat that runs.
type loop struct {
	stop context.CancelFunc
	done chan struct{}
	// last is the last due time, once done is closed.
	last time.Time
}

func (v *Vantage) start(ctx context.Context, beat schedule.Beat, after time.Time, each func(due time.Time)) *loop {
	ctx, stop := context.WithCancel(ctx)
	l := &loop{stop: stop, done: make(chan struct{})}
	v.work.Go(func() {
		defer close(l.done)
		l.last = beat.Run(ctx, after, each, func(rounds int) { v.Meter.MissedRounds.Add(float64(rounds)) })
	})
	return l
}

// replace ends a loop and returns the one that takes its place.
func (l *loop) replace(next *loop) *loop {
	if l != nil {
		l.end()
	}
	return next
}

// end stops the loop and returns its last due time.
func (l *loop) end() time.Time {
	l.stop()
	<-l.done
	return l.last
}
