// Package load asks for a URL at a constant rate, each time when it is due whatever became of the times before (an open model), and measures from when a request was due:
// a server that stalls is seen as its users would see it, and slows nobody down. Where the URL comes from and what becomes of the samples is for others.
package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/clock"
	"github.com/leeward-failover/leeward/schemas"
)

// Plan is what is asked for, how often and for how long.
type Plan struct {
	URL string
	// Rate is requests per second.
	Rate     float64
	Duration time.Duration
	// Timeout is when a request is given up, from when it was sent.
	Timeout time.Duration
	// MaxInFlight is how many requests may be open at once. One that is due beyond them is not sent, and counts as one that timed out.
	MaxInFlight int
	// Fresh opens a connection for each request.
	Fresh bool
	// KeepGoing goes on although most requests fail.
	KeepGoing bool
}

// Requests is how many requests there are in all.
func (p Plan) Requests() int { return p.dueIn(p.Duration) }

// dueIn is how many requests are due in the first part of the load. The little more is for products such as 0.1 times 30 s.
func (p Plan) dueIn(d time.Duration) int { return int(p.Rate*d.Seconds() + 1e-6) }

// due is when request i is due, from the beginning.
func (p Plan) due(i int) time.Duration {
	return time.Duration(float64(i) / p.Rate * float64(time.Second))
}

// Load is a plan and who is told of it.
type Load struct {
	Plan
	// Each takes every request once it has ended; an error ends the load.
	Each func(schemas.Sample) error
	// Show is called four times a second with what there is so far.
	Show func(*Tally)
}

var (
	// ErrInterrupted says that somebody ended the load before its time.
	ErrInterrupted = errors.New("interrupted")
	// errNotSent is what is wrong with a request that was one too many.
	errNotSent = errors.New("not sent: too many requests were open")
)

// Run puts the load on and returns what came of it, once every request that was sent has ended. When the context ends, or most requests fail, it sends no more;
// what is open then has the grace to end.
func (l Load) Run(ctx context.Context) (*Tally, error) {
	tally := newTally(l.Plan)
	sending, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan request, l.MaxInFlight)
	var g errgroup.Group
	g.Go(func() error {
		defer close(ended)
		return l.send(sending, tally.Began, ended)
	})
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var failed error
	for open := true; open; {
		select {
		case <-tick.C:
			l.Show(tally)
		case r, ok := <-ended:
			if open = ok; !ok || failed != nil {
				continue
			}
			tally.add(r)
			if failed = l.Each(r.sample); failed != nil {
				stop(failed)
			} else if err := tally.mostFail(); err != nil && !l.KeepGoing {
				stop(err)
			}
		}
	}
	if err := errors.Join(g.Wait(), failed); err != nil {
		return tally, err
	}
	if tally.Requests < l.Requests() || tally.GivenUp > 0 {
		tally.Stopped = context.Cause(sending)
	}
	if tally.Stopped != nil && ctx.Err() != nil {
		tally.Stopped = ErrInterrupted
	}
	return tally, nil
}

// grace is how long requests may stay open once no more are sent because of an interrupt or of failures.
const grace = time.Second

// send sends each request when it is due, and waits for all of them. None waits for another.
func (l Load) send(ctx context.Context, began time.Time, ended chan<- request) error {
	c, err := newClient(l.Plan)
	if err != nil {
		return err
	}
	defer c.close()
	open, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, giveUp) })()
	slots := make(chan struct{}, l.MaxInFlight)
	var g sync.WaitGroup
	for i := range l.Requests() {
		due := began.Add(l.due(i))
		if !clock.Until(ctx, due) {
			break
		}
		select {
		case slots <- struct{}{}:
			g.Go(func() {
				defer func() { <-slots }()
				ended <- c.ask(open, due)
			})
		default:
			ended <- notSent(due, l.Timeout)
		}
	}
	g.Wait()
	return nil
}

// notSent is a request that was due while too many were open. All of what it took it was late.
func notSent(due time.Time, timeout time.Duration) request {
	took := micros(timeout)
	return request{err: errNotSent, sample: schemas.Sample{Kind: schemas.KindBench, Outcome: schemas.TimedOut, DueUS: due.UnixMicro(), LatencyUS: took, LateUS: took}}
}
