// Package strain says whether the prober itself is short of processor time, so that what it measures then can be told apart.
package strain

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// often is how often the strain is looked at.
	often = time.Second
	// lateWake is how late a probe's wake-up must have been, slowRun how long the process' threads must have waited for a processor each time they could run, for the prober to be short of it.
	lateWake = 5 * time.Millisecond
	slowRun  = 250 * time.Microsecond
)

// Strain is how short of processor time the process was in the last second.
type Strain struct {
	// Changed is told when that begins and ends; nil tells nobody.
	Changed func(saturated bool)

	latest    atomic.Int64
	saturated atomic.Bool
}

// Woke notes how late a wake-up was.
func (s *Strain) Woke(late time.Duration) {
	if l := int64(late); l > s.latest.Load() {
		s.latest.Store(l)
	}
}

// Saturated says whether the prober was short of processor time in the last second, or has just been woken too late.
func (s *Strain) Saturated() bool {
	return s.saturated.Load() || s.latest.Load() > int64(lateWake)
}

// Run looks again and again until ctx ends.
func (s *Strain) Run(ctx context.Context) error {
	tick := time.NewTicker(often)
	defer tick.Stop()
	before, _ := waits()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, known := waits()
		short := s.latest.Swap(0) > int64(lateWake) || known && now.since(before) > slowRun
		before = now
		if s.saturated.Swap(short) != short && s.Changed != nil {
			s.Changed(short)
		}
	}
}

// waited is how long the process' threads waited for a processor since they began, and how often they got one.
type waited struct {
	total time.Duration
	runs  int64
}

// since is the mean wait since another look.
func (w waited) since(before waited) time.Duration {
	// Threads that have ended take theirs with them.
	if w.runs <= before.runs || w.total < before.total {
		return 0
	}
	return (w.total - before.total) / time.Duration(w.runs-before.runs)
}
