package probe

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connector measures how soon servers take a connection, without a goroutine for each: what is due at about one time is asked for in one burst, and one reader waits for all answers.
// How long an answer took is what the kernel saw, however late the reader comes to it.
type connector struct {
	permit func(netip.Addr) error

	mu    sync.Mutex
	queue []attempt
	// under are the attempts that wait for an answer, by their socket; number is of the latest, by which a socket's number that is used again is told apart.
	under  map[int32]attempt
	number uint32
	waits  deadlines
	halted bool
	work   sync.WaitGroup

	// fd is where the kernel says which answers have come; it is there while file is.
	fd   int
	file *os.File

	// reading guards the events.
	reading sync.Mutex
	events  [burst]unix.EpollEvent
	over    bool
}

// attempt is a connection that is asked for.
type attempt struct {
	to      *place
	timeout time.Duration
	done    func(Result)

	fd     int32
	number uint32
	asked  time.Time
}

func (a attempt) nonce() uint64 { return uint64(a.number)<<32 | uint64(uint32(a.fd)) }

// landed is an attempt that has ended.
type landed struct {
	done func(Result)
	Result
}

func newConnector(permit func(netip.Addr) error) *connector {
	return &connector{permit: permit, under: map[int32]attempt{}}
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
	c.queue = append(c.queue, attempt{to: placeOf(to), timeout: timeout, done: done})
}

// flush asks for what was started.
func (c *connector) flush() {
	c.mu.Lock()
	queue := c.queue
	c.queue = nil
	c.mu.Unlock()
	var all []landed
	for _, a := range queue {
		if r, ended := c.ask(&a); ended {
			all = append(all, landed{a.done, r})
		}
	}
	tell(all)
}

// tell says how attempts ended, after the others of their burst were made.
func tell(all []landed) {
	for _, l := range all {
		l.done(l.Result)
	}
}

// ask asks for a connection, and returns how that ended if it has already.
func (c *connector) ask(a *attempt) (r Result, ended bool) {
	a.asked = time.Now()
	fd, err := a.to.socket()
	if err != nil {
		return a.result(err), true
	}
	a.fd = int32(fd)
	err = a.to.begin(fd)
	if err == unix.EALREADY {
		if err = c.await(a); err == nil {
			return r, false
		}
	}
	r = a.result(err)
	hangUp(fd)
	return r, true
}

// await has the reader wait for the answer.
func (c *connector) await(a *attempt) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.halted {
		return context.Canceled
	}
	if err := c.open(); err != nil {
		return err
	}
	if c.number++; c.number == 0 {
		c.number++
	}
	a.number = c.number
	when := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: a.fd, Pad: int32(a.number)}
	if _, _, err := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(c.fd), unix.EPOLL_CTL_ADD, uintptr(a.fd), uintptr(unsafe.Pointer(&when)), 0, 0); err != 0 {
		return os.NewSyscallError("epoll_ctl", err)
	}
	c.under[a.fd] = *a
	c.waits.add(a.nonce(), a.asked, a.timeout)
	return nil
}

// open starts the reader when it is first needed; the lock is held.
func (c *connector) open() error {
	if c.file != nil {
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	// The runtime waits for what has a deadline or may be closed only when it does not block.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("epoll: %w", err)
	}
	file := os.NewFile(uintptr(fd), "connections")
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("epoll: %w", err)
	}
	c.fd, c.file, c.waits.sweep = fd, file, c.sweep
	c.work.Go(func() {
		_ = conn.Read(func(uintptr) bool { return c.drain() })
	})
	return nil
}

// drain hands on the answers that have come so far, and says whether there will be no more.
func (c *connector) drain() (over bool) {
	c.reading.Lock()
	var all []landed
	for n := burst; n == burst && !c.over; {
		got, _, err := unix.RawSyscall6(unix.SYS_EPOLL_WAIT, uintptr(c.fd), uintptr(unsafe.Pointer(&c.events)), burst, 0, 0, 0)
		if err != 0 {
			got = 0
		}
		n = int(got)
		for _, event := range c.events[:n] {
			nonce := uint64(uint32(event.Pad))<<32 | uint64(uint32(event.Fd))
			if a, err, ok := c.answered(nonce); ok {
				all = append(all, landed{a.done, a.result(err)})
				hangUp(int(a.fd))
			}
		}
	}
	over = c.over
	c.reading.Unlock()
	tell(all)
	return over
}

// answered takes out an attempt that has its answer.
func (c *connector) answered(nonce uint64) (attempt, error, bool) { //nolint:revive // the error is the attempt's, not the call's
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.at(nonce)
	if !ok {
		return a, nil, false
	}
	err := pending(a.to.connect(int(a.fd)))
	if err == unix.EALREADY {
		return a, nil, false
	}
	delete(c.under, a.fd)
	return a, err, true
}

// at returns the attempt of a nonce if it is still under way; the lock is held.
func (c *connector) at(nonce uint64) (attempt, bool) {
	a, ok := c.under[int32(uint32(nonce))]
	return a, ok && a.nonce() == nonce
}

// sweep ends the attempts whose time is out. Answers that have come and were not read yet, because the process had no processor, are read first.
func (c *connector) sweep() {
	now := time.Now()
	c.drain()
	var late []landed
	c.mu.Lock()
	for _, nonce := range c.waits.past(now, func(nonce uint64) bool { _, ok := c.at(nonce); return ok }) {
		a, _ := c.at(nonce)
		delete(c.under, a.fd)
		hangUp(int(a.fd))
		late = append(late, landed{a.done, Result{Sent: a.asked, Ended: now, Connect: now.Sub(a.asked), Err: context.DeadlineExceeded}})
	}
	c.mu.Unlock()
	tell(late)
}

// result is how an attempt ended, seen now.
func (a *attempt) result(err error) Result {
	now := time.Now()
	r := Result{Sent: a.asked, Ended: now, Connect: now.Sub(a.asked), Err: err}
	if err == nil {
		r.believe(handshake(int(a.fd)))
		if r.Connect > a.timeout {
			r.Err = context.DeadlineExceeded
		}
	}
	return r
}

// halt ends every attempt, and those that are started later at once.
func (c *connector) halt() {
	c.reading.Lock()
	c.over = true
	c.reading.Unlock()
	c.mu.Lock()
	c.halted = true
	c.waits.halt()
	under := c.under
	c.under = map[int32]attempt{}
	if c.file != nil {
		_ = c.file.Close()
	}
	c.mu.Unlock()
	for _, a := range under {
		hangUp(int(a.fd))
		a.done(Result{Sent: a.asked, Err: context.Canceled})
	}
}

// close halts and waits for the reader.
func (c *connector) close() {
	c.halt()
	c.work.Wait()
}
