package probe

import (
	"context"
	"errors"
	"time"

	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// tls makes a handshake from nothing on a fresh connection.
func (c *client) tls(ctx context.Context, t target.Target) Result {
	r := begin()
	d, err := c.doors.of(t)
	if err == nil {
		_, err = c.handshake(ctx, t, &r, d.first)
	}
	r.Err = err
	return r
}

// handshake opens a connection and hangs up.
func (c *client) handshake(ctx context.Context, t target.Target, r *Result, to *hop) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	l, err := c.dial.open(ctx, r, to)
	if err != nil {
		r.Ended = time.Now()
		return false, err
	}
	l.close()
	return l.resumed, nil
}

// errNoResumption says that there is nothing to measure.
var errNoResumption = tlsError{errors.New("the server resumes no session")}

// tlsResumed makes a handshake that goes on with the session of an earlier one. Getting that session is no part of the measurement, and neither is
// a handshake in which the server knew it no more; one that starts from nothing again is an error.
func (c *client) tlsResumed(ctx context.Context, t target.Target) Result {
	r := begin()
	d, err := c.doors.of(t)
	if err != nil {
		r.Err = err
		return r
	}
	for tries := 0; tries < 2; tries++ {
		if _, held := d.ticket.Get(""); !held {
			if earning := c.earn(ctx, t, d); earning.Err != nil {
				return earning
			}
			r.lap(&r.Aside)
		}
		resumed, err := c.handshake(ctx, t, &r, d.first)
		if resumed {
			return r
		}
		// Whatever the session is worth, the next one is new.
		d.ticket.Put("", nil)
		if err != nil {
			r.Err = err
			return r
		}
		r = r.again()
	}
	r.Err = errNoResumption
	return r
}

// earn makes a handshake and waits until the server has given a ticket of its session, which may come after it.
func (c *client) earn(ctx context.Context, t target.Target, d *door) Result {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	r := begin()
	l, err := c.dial.open(ctx, &r, d.first)
	r.Ended = time.Now()
	if r.Err = err; err != nil {
		return r
	}
	defer l.close()
	if _, held := d.ticket.Get(""); held {
		return r
	}
	d.ticket.await(l.hurry)
	defer d.ticket.await(nil)
	stop := context.AfterFunc(ctx, l.hurry)
	defer stop()
	for held := false; !held && err == nil; _, held = d.ticket.Get("") {
		_, err = l.Read(make([]byte, 1))
	}
	if _, held := d.ticket.Get(""); !held {
		r.Err = errNoResumption
	}
	return r
}
