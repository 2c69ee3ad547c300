package probe

import "time"

// deadlines are when each of the things under way is given up. Those of one timeout come in the order they were made in; most things have ended by then and are passed over.
// One timer serves all.
type deadlines struct {
	// sweep is called when the first deadline has come.
	sweep func()

	lanes map[time.Duration]*lane
	timer *time.Timer
	// next is when the timer goes off, zero for never.
	next   time.Time
	halted bool
}

type lane struct{ waits []wait }

type wait struct {
	nonce    uint64
	deadline time.Time
}

// add gives up a nonce when a timeout has passed from now on.
func (d *deadlines) add(nonce uint64, now time.Time, timeout time.Duration) {
	if d.lanes == nil {
		d.lanes = map[time.Duration]*lane{}
	}
	l := d.lanes[timeout]
	if l == nil {
		l = &lane{}
		d.lanes[timeout] = l
	}
	w := wait{nonce, now.Add(timeout)}
	l.waits = append(l.waits, w)
	d.wake(w.deadline)
}

// wake has the timer go off at a time, unless it does so earlier anyway.
func (d *deadlines) wake(at time.Time) {
	if d.halted || !d.next.IsZero() && !at.Before(d.next) {
		return
	}
	d.next = at
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(at), d.sweep)
		return
	}
	d.timer.Reset(time.Until(at))
}

// past takes out and returns the nonces whose deadline has passed of those that are still under way.
func (d *deadlines) past(now time.Time, under func(nonce uint64) bool) (late []uint64) {
	d.next = time.Time{}
	for timeout, l := range d.lanes {
		gone := 0
		for _, w := range l.waits {
			if under(w.nonce) {
				if w.deadline.After(now) {
					break
				}
				late = append(late, w.nonce)
			}
			gone++
		}
		if l.waits = l.waits[gone:]; len(l.waits) == 0 {
			delete(d.lanes, timeout)
			continue
		}
		d.wake(l.waits[0].deadline)
	}
	return late
}

// halt gives up nothing any more.
func (d *deadlines) halt() {
	d.halted = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.lanes = nil
}
