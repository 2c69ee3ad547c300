// Package clock waits for a moment more exactly than the runtime's timers do: Until now and then, Alarm again and again.
package clock

import (
	"context"
	"time"
)

// stretch is the last part of a wait: timers of the runtime are up to a millisecond late, so it is slept in the kernel.
const stretch = 1500 * time.Microsecond

// Until waits for a time, or returns false when ctx ends first.
func Until(ctx context.Context, due time.Time) bool {
	if wait := time.Until(due) - stretch; wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
	}
	if rest := time.Until(due); rest > 0 {
		sleep(min(rest, stretch))
	}
	return ctx.Err() == nil
}
