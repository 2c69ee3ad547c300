// Package schedule says when things are due: at absolute times that depend on names alone, so that a restart or a reload changes none of them.
package schedule

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/clock"
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

// Run calls each at every due time after the given one until ctx ends, and returns the last. each must not block.
// A round is run late rather than left out, but what a stopped process or a clock that was set passed over by a second, or by an interval if that is longer, is not made up for: missed gets the number.
func (b Beat) Run(ctx context.Context, after time.Time, each func(due time.Time), missed func(rounds int)) (last time.Time) {
	for last = after; ; {
		due := b.After(last)
		now := time.Now()
		if behind := now.Sub(due); behind >= max(b.Interval, patience) {
			missed(int(behind / b.Interval))
			due = b.After(now.Add(-b.Interval))
		} else if behind < -2*b.Interval {
			// The clock was set back.
			due = b.After(now)
		}
		if !clock.Until(ctx, due) {
			return last
		}
		each(due)
		last = due
	}
}
