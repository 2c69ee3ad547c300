// Package schedule says when things are due, at absolute times that depend on names alone, so that a restart or a reload changes none of them, and starts them then.
package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
)

// Beat is due at every whole number of intervals since 1970, plus its phase.
type Beat struct{ Interval, Phase time.Duration }

// Spread is a time in [0, width) that depends on the names alone; the times of many names are spread evenly.
func Spread(width time.Duration, names ...string) time.Duration {
	if width <= 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	// The hash is a fraction of the width, so that another width keeps the order of the names.
	return time.Duration(float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53) * float64(width))
}

// After is the first due time after t.
func (b Beat) After(t time.Time) time.Time {
	since := t.UnixNano() - int64(b.Phase)
	k := since / int64(b.Interval)
	if since < 0 && since%int64(b.Interval) != 0 {
		k--
	}
	return time.Unix(0, (k+1)*int64(b.Interval)+int64(b.Phase))
}

// patience is how late a round may be and still be run.
const patience = time.Second

// Behind is what becomes of a round that is due while it is later. A round is run late rather than left out, but what a stopped process passed over by a second, or by an interval if that is longer,
// is not made up for: missed is the number of those.
func (b Beat) Behind(due, now time.Time) (run time.Time, missed int) {
	if behind := now.Sub(due); behind >= max(b.Interval, patience) {
		return b.After(now.Add(-b.Interval)), int(behind / b.Interval)
	}
	return due, 0
}

// Every is a task that calls each at every due time of a beat, and missed with the number of those that were passed over. each must not block.
func (b Beat) Every(each func(due time.Time), missed func(rounds int)) *Task {
	return &Task{
		Fire: func(due, now time.Time) time.Time {
			run, n := b.Behind(due, now)
			if n > 0 {
				missed(n)
			}
			each(run)
			return b.After(run)
		},
		Set: func(due time.Time, by time.Duration) time.Time { return b.After(due.Add(by)) },
	}
}
