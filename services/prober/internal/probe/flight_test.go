package probe //nolint:testpackage // a flight is worked out with clocks that no test may set

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// TestRoundTripSurvivesAClockThatIsSet works a flight out with clocks that no test may set: the wall clock jumps by five seconds, or by a millisecond, between the request and the answer.
func TestRoundTripSurvivesAClockThatIsSet(t *testing.T) {
	asked := time.Now()
	// The kernel's stamps are times of the wall clock alone.
	stamp := func(after time.Duration) time.Time { return asked.Round(0).Add(after) }
	unreachable := errors.New("no way")
	for name, c := range map[string]struct {
		left, at time.Time
		now      time.Time
		err      error
		timeout  time.Duration

		trip  time.Duration
		flags schemas.Flags
		ended error
	}{
		"both stamps": {left: stamp(20 * time.Microsecond), at: stamp(9 * time.Millisecond), now: asked.Add(12 * time.Millisecond),
			trip: 8980 * time.Microsecond, flags: schemas.KernelStamps},
		"no stamp of the request": {at: stamp(9 * time.Millisecond), now: asked.Add(12 * time.Millisecond), trip: 9 * time.Millisecond},
		"no stamp":                {now: asked.Add(12 * time.Millisecond), trip: 12 * time.Millisecond},
		"a stamp of the answer that is before the request's":  {left: stamp(10 * time.Millisecond), at: stamp(9 * time.Millisecond), now: asked.Add(12 * time.Millisecond), trip: 12 * time.Millisecond},
		"read so late that the time is out, answered in time": {left: stamp(0), at: stamp(9 * time.Millisecond), now: asked.Add(3 * time.Second), trip: 9 * time.Millisecond, flags: schemas.KernelStamps},
		"answered when the time was out": {left: stamp(0), at: stamp(1100 * time.Millisecond), now: asked.Add(1200 * time.Millisecond),
			trip: 1100 * time.Millisecond, flags: schemas.KernelStamps, ended: context.DeadlineExceeded},
		"a report of unreachability": {left: stamp(0), at: stamp(time.Millisecond), now: asked.Add(2 * time.Millisecond), err: unreachable, trip: time.Millisecond, flags: schemas.KernelStamps, ended: unreachable},
	} {
		f := flight{asked: asked, left: c.left, timeout: time.Second}
		r := f.result(echoReply{at: c.at, err: c.err}, c.now)
		if r.FirstByte != c.trip || r.Ended.Sub(r.Sent) != c.trip || r.Flags != c.flags || !errors.Is(r.Err, c.ended) || c.ended == nil && r.Err != nil {
			t.Errorf("%s: %s with flags %d and error %v, want %s, %d and %v", name, r.FirstByte, r.Flags, r.Err, c.trip, c.flags, c.ended)
		}
	}
	for _, by := range []time.Duration{5 * time.Second, -5 * time.Second, time.Millisecond, -time.Millisecond} {
		// The clock was set after the request left: the answer's stamp and the time it is read at are by the new one.
		f := flight{asked: asked, left: stamp(20 * time.Microsecond), timeout: time.Second}
		r := f.trip(echoReply{at: stamp(9*time.Millisecond + by)}, 12*time.Millisecond, by)
		if r.FirstByte != 12*time.Millisecond || r.Flags != schemas.ClockStepped {
			t.Errorf("set by %s: %s with flags %d, want the time the process counted, and to be told", by, r.FirstByte, r.Flags)
		}
	}
}
