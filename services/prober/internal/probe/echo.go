package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Echo sends ICMP echo requests through one socket per family and tells the answers apart by a nonce in the payload, never by address: two targets may share one.
// Each request has a deadline of its own. Both ends of a round trip are stamped by the kernel where it can.
type Echo struct {
	// Permit says why an address may not be asked; nil permits all.
	Permit func(netip.Addr) error

	mu sync.Mutex
	// sockets are those that were opened, one a family at most; the list is never written to, but replaced.
	sockets []*echoSocket
	// flights are the requests that wait for an answer, by the low half of their nonce; free are the places not taken.
	flights []flight
	free    []uint32
	waits   deadlines
	halted  bool
	work    sync.WaitGroup
}

// flight is a request under way. The high half of its nonce is of chance; a nonce of 0 is a free place.
type flight struct {
	nonce uint64
	// asked is when it was handed to the kernel, left when the kernel says that it went, both by the prober's clock.
	asked   time.Time
	left    time.Time
	timeout time.Duration
	done    func(Result)
}

// echoReply is an answer, or a router's report that there is no way.
type echoReply struct {
	nonce uint64
	at    time.Time
	err   error
}

// Probe sends an echo request to a host and waits for its answer.
func (e *Echo) Probe(ctx context.Context, host string) Result {
	addresses, took, err := resolve(ctx, host)
	if err != nil {
		return Result{DNS: took, Err: err}
	}
	// The context ends the wait; few different timeouts make few lanes.
	timeout := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline).Truncate(time.Second) + time.Second
	}
	ended := make(chan Result, 1)
	nonce := e.Start(addresses[0], timeout, func(r Result) { ended <- r })
	e.Flush()
	select {
	case <-ctx.Done():
		e.mu.Lock()
		defer e.mu.Unlock()
		e.land(nonce)
		return Result{DNS: took, Err: ctx.Err()}
	case r := <-ended:
		// The resolution of the name is part of the measurement.
		r.DNS, r.Sent = took, r.Sent.Add(-took)
		return r
	}
}

// Start has an echo request sent by the next Flush and calls done, which must not block, when it is answered or the timeout has passed.
func (e *Echo) Start(to netip.Addr, timeout time.Duration, done func(Result)) (nonce uint64) {
	if e.Permit != nil {
		if err := e.Permit(to); err != nil {
			done(Result{Sent: time.Now(), Err: err})
			return 0
		}
	}
	e.mu.Lock()
	socket, err := e.socket(to.Is6())
	if err != nil {
		e.mu.Unlock()
		done(Result{Sent: time.Now(), Err: fmt.Errorf("send: %w", err)})
		return 0
	}
	nonce = e.expect(done, timeout)
	e.mu.Unlock()
	for !socket.queue(to, nonce) {
		e.flush(socket)
	}
	return nonce
}

// expect gives a request a nonce; the lock is held.
func (e *Echo) expect(done func(Result), timeout time.Duration) (nonce uint64) {
	if len(e.free) == 0 {
		e.free = append(e.free, uint32(len(e.flights)))
		e.flights = append(e.flights, flight{})
	}
	place := e.free[len(e.free)-1]
	e.free = e.free[:len(e.free)-1]
	nonce = uint64(rand.Uint32()|1)<<32 | uint64(place)
	e.flights[place] = flight{nonce: nonce, timeout: timeout, done: done}
	return nonce
}

// ask notes that requests are handed to the kernel now: their time begins.
func (e *Echo) ask(nonces []uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for _, nonce := range nonces {
		f := e.at(nonce)
		if f == nil {
			continue
		}
		f.asked = now
		e.waits.add(nonce, now, f.timeout)
	}
}

// at returns the flight of a nonce, nil when nobody waits for it any more; the lock is held.
func (e *Echo) at(nonce uint64) *flight {
	place := uint32(nonce)
	if nonce == 0 || int(place) >= len(e.flights) || e.flights[place].nonce != nonce {
		return nil
	}
	return &e.flights[place]
}

// land takes a flight out; the lock is held.
func (e *Echo) land(nonce uint64) (flight, bool) {
	at := e.at(nonce)
	if at == nil {
		return flight{}, false
	}
	f := *at
	*at = flight{}
	e.free = append(e.free, uint32(nonce))
	return f, true
}

// Flush sends what was started.
func (e *Echo) Flush() {
	for _, s := range e.open() {
		e.flush(s)
	}
}

// open returns the sockets there are.
func (e *Echo) open() []*echoSocket {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sockets
}

// flush sends what a socket has queued. What can not be sent has ended.
func (e *Echo) flush(s *echoSocket) {
	s.send(e.ask, func(nonce uint64, err error) {
		e.mu.Lock()
		f, ok := e.land(nonce)
		e.mu.Unlock()
		if ok {
			f.done(Result{Sent: f.asked, Err: fmt.Errorf("send: %w", err)})
		}
	})
}

// leave notes when the kernel says that requests went.
func (e *Echo) leave(stamps []departure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range stamps {
		if f := e.at(s.nonce); f != nil {
			f.left = s.at
		}
	}
}

// deliver hands replies to whoever waits for them: the first one only, since networks duplicate.
func (e *Echo) deliver(replies []echoReply) {
	now := time.Now()
	for _, r := range replies {
		e.mu.Lock()
		f, ok := e.land(r.nonce)
		e.mu.Unlock()
		if ok {
			f.done(f.result(r, now))
		}
	}
}

// stepTolerance is by how much the clocks may disagree over a round trip before the kernel's stamps, which follow the wall clock, are no longer believed.
const stepTolerance = 200 * time.Microsecond

// result is the round trip of a flight that was answered, as far as is known now.
func (f flight) result(r echoReply, now time.Time) Result {
	counted := now.Sub(f.asked)
	return f.trip(r, counted, now.Round(0).Sub(f.asked.Round(0))-counted)
}

// trip is the round trip when the process counted so much time by a clock that nobody sets, and the wall clock was set by so much meanwhile.
func (f flight) trip(r echoReply, counted, set time.Duration) Result {
	result := Result{Sent: f.asked, FirstByte: counted, Err: r.err}
	switch stamped := r.at.Sub(f.left); {
	case set.Abs() > stepTolerance:
		result.Flags |= schemas.ClockStepped
	case r.at.IsZero():
	case f.left.IsZero():
		if unread := r.at.Sub(f.asked); unread >= 0 && unread <= counted {
			result.FirstByte = unread
		}
	case stamped >= 0 && stamped <= counted+stepTolerance:
		result.Flags |= schemas.KernelStamps
		result.FirstByte = stamped
		result.Sent = f.asked.Add(max(0, f.left.Sub(f.asked)))
	}
	if result.FirstByte > f.timeout && r.err == nil {
		result.Err = context.DeadlineExceeded
	}
	result.Ended = result.Sent.Add(result.FirstByte)
	return result
}

// sweep ends the flights whose time is out. Answers that have come and were not read yet, because the process had no processor, are read first.
func (e *Echo) sweep() {
	now := time.Now()
	for _, s := range e.open() {
		s.drain(e.leave, e.deliver)
	}
	var late []flight
	e.mu.Lock()
	for _, nonce := range e.waits.past(now, func(nonce uint64) bool { return e.at(nonce) != nil }) {
		f, _ := e.land(nonce)
		late = append(late, f)
	}
	e.mu.Unlock()
	for _, f := range late {
		r := Result{Sent: f.asked, Ended: now, Err: context.DeadlineExceeded}
		if !f.left.IsZero() {
			r.Sent = f.asked.Add(max(0, f.left.Sub(f.asked)))
		}
		f.done(r)
	}
}

// socket opens a family's socket when it is first needed, or again after it failed; the lock is held.
func (e *Echo) socket(six bool) (*echoSocket, error) {
	if e.halted {
		return nil, context.Canceled
	}
	if i := slices.IndexFunc(e.sockets, func(s *echoSocket) bool { return s.six == six }); i >= 0 {
		return e.sockets[i], nil
	}
	s, err := openEcho(six)
	if err != nil {
		return nil, err
	}
	e.waits.sweep = e.sweep
	e.sockets = append(slices.Clip(e.sockets), s)
	e.work.Go(func() { s.read(e.leave, e.deliver) })
	return s, nil
}

// Open opens the sockets before they are needed, and says why the first could not be opened. A machine without IPv6 is no reason to complain.
func (e *Echo) Open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.socket(false); err != nil {
		return err
	}
	if _, err := e.socket(true); !errors.Is(err, syscall.EAFNOSUPPORT) {
		return err
	}
	return nil
}

// Halt ends every flight, and those that are started later at once.
func (e *Echo) Halt() {
	e.mu.Lock()
	e.halted = true
	e.waits.halt()
	flights := e.flights
	e.flights, e.free = nil, nil
	sockets := e.sockets
	e.sockets = nil
	e.mu.Unlock()
	for _, s := range sockets {
		s.close()
	}
	for _, f := range flights {
		if f.nonce != 0 {
			f.done(Result{Sent: f.asked, Err: context.Canceled})
		}
	}
}

// Close halts and waits for the readers.
func (e *Echo) Close() {
	e.Halt()
	e.work.Wait()
}
