package probe

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// connector measures how soon servers take a connection, without a goroutine for each: what is due at about one time is asked for in one burst.
// How long an answer took is what the kernel saw, however late the process comes to it.
type connector struct {
	permit func(netip.Addr) error
	poller *poller

	mu    sync.Mutex
	queue []*attempt
	// under are the attempts that wait for an answer, by their number; number is of the latest.
	under  map[uint64]*attempt
	number uint64
	waits  deadlines
	halted bool
}

// attempt is a connection that is asked for.
type attempt struct {
	to      *place
	fd      int
	asked   time.Time
	timeout time.Duration
	done    func(Result)
}

func newConnector(permit func(netip.Addr) error, p *poller) *connector {
	c := &connector{permit: permit, poller: p, under: map[uint64]*attempt{}}
	c.waits.sweep = c.sweep
	return c
}

// start has a connection asked for by the next flush, and calls done, which must not block, when it is open or has failed.
func (c *connector) start(to netip.AddrPort, timeout time.Duration, done func(Result)) {
	if c.permit != nil {
		if err := c.permit(to.Addr()); err != nil {
			done(Result{Sent: time.Now(), Err: err})
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, &attempt{to: placeOf(to), timeout: timeout, done: done})
}

// flush asks for what was started, and tells what has ended when all of the burst are on their way.
func (c *connector) flush() {
	c.mu.Lock()
	queue := c.queue
	c.queue = nil
	c.mu.Unlock()
	results := make([]Result, len(queue))
	for i, a := range queue {
		if r, ended := c.ask(a); ended {
			results[i] = r
		} else {
			queue[i] = nil
		}
	}
	for i, a := range queue {
		if a != nil {
			a.done(results[i])
		}
	}
}

// ask asks for a connection, and returns how that ended if it has already.
func (c *connector) ask(a *attempt) (r Result, ended bool) {
	a.asked = time.Now()
	fd, err := a.to.socket()
	if err != nil {
		return a.result(err), true
	}
	a.fd = fd
	err = a.to.begin(fd)
	if errors.Is(err, unix.EALREADY) {
		if err = c.await(a); err == nil {
			return r, false
		}
	}
	r = a.result(err)
	c.poller.hangUp(fd)
	return r, true
}

// await has the answer waited for.
func (c *connector) await(a *attempt) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.halted {
		return context.Canceled
	}
	c.number++
	number := c.number
	c.under[number] = a
	if err := c.poller.watch(a.fd, unix.EPOLLOUT, func(uint32) { c.answered(number) }); err != nil {
		delete(c.under, number)
		return err
	}
	c.waits.add(number, a.asked, a.timeout)
	return nil
}

// answered ends an attempt that has its answer.
func (c *connector) answered(number uint64) {
	c.mu.Lock()
	a := c.under[number]
	if a == nil {
		c.mu.Unlock()
		return
	}
	err := a.to.connect(a.fd)
	if errors.Is(err, unix.EALREADY) {
		c.mu.Unlock()
		return
	}
	delete(c.under, number)
	c.mu.Unlock()
	r := a.result(err)
	c.poller.hangUp(a.fd)
	a.done(r)
}

// sweep ends the attempts whose time is out. Answers that have come and were not read yet, because the process had no processor, are read first.
func (c *connector) sweep() {
	now := time.Now()
	c.poller.drain()
	var late []*attempt
	c.mu.Lock()
	for _, number := range c.waits.past(now, func(number uint64) bool { return c.under[number] != nil }) {
		late = append(late, c.under[number])
		delete(c.under, number)
	}
	c.mu.Unlock()
	for _, a := range late {
		c.poller.hangUp(a.fd)
		a.done(Result{Sent: a.asked, Ended: now, Connect: now.Sub(a.asked), Err: context.DeadlineExceeded})
	}
}

// result is how an attempt ended, seen now.
func (a *attempt) result(err error) Result {
	now := time.Now()
	r := Result{Sent: a.asked, Ended: now, Connect: now.Sub(a.asked), Err: err}
	if err == nil {
		r.believe(handshake(a.fd))
		if r.Connect > a.timeout {
			r.Err = context.DeadlineExceeded
		}
	}
	return r
}

// halt ends every attempt, and those that are started later at once.
func (c *connector) halt() {
	c.mu.Lock()
	c.halted = true
	c.waits.halt()
	under, queue := c.under, c.queue
	c.under, c.queue = map[uint64]*attempt{}, nil
	c.mu.Unlock()
	for _, a := range queue {
		a.done(Result{Sent: time.Now(), Err: context.Canceled})
	}
	for _, a := range under {
		c.poller.hangUp(a.fd)
		a.done(Result{Sent: a.asked, Err: context.Canceled})
	}
}
