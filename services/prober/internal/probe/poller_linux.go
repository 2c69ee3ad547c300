package probe

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller says when something has come to the sockets that are watched. They are not the runtime's: it opens, watches and closes each with system calls that wake a thread to watch over them.
// It waits for the poller, as it does for one socket.
type poller struct {
	mu sync.Mutex
	// watched are the sockets that are watched; number is of the latest watch, by which a socket's number that is used again is told apart.
	watched map[int32]watch
	number  uint32

	// fd is where the kernel says what has come; it is there while file is.
	fd     int
	file   *os.File
	work   sync.WaitGroup
	closed bool

	// reading guards the events; over says that there are no more.
	reading sync.Mutex
	events  [burst]unix.EpollEvent
	over    bool
}

// watch is who is told of what comes to a socket, which must not block.
type watch struct {
	number uint32
	came   func(events uint32)
}

// watch tells of events on a socket until it is closed.
func (p *poller) watch(fd int, events uint32, came func(uint32)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return err
	}
	p.number++
	event := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(p.number)}
	if _, _, err := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0); err != 0 {
		return os.NewSyscallError("epoll_ctl", err)
	}
	p.watched[int32(fd)] = watch{p.number, came}
	return nil
}

// hangUp closes a socket, watched or not.
func (p *poller) hangUp(fd int) {
	p.mu.Lock()
	delete(p.watched, int32(fd))
	p.mu.Unlock()
	hangUp(fd)
}

// open starts the reader when it is first needed; the lock is held.
func (p *poller) open() error {
	if p.closed {
		return os.ErrClosed
	}
	if p.file != nil {
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	// The runtime waits only for what says that it does not block.
	err = unix.SetNonblock(fd, true)
	file := os.NewFile(uintptr(fd), "sockets")
	conn, failed := file.SyscallConn()
	if err != nil || failed != nil {
		_ = file.Close()
		return fmt.Errorf("watch sockets: %w, %w", err, failed)
	}
	p.fd, p.file, p.watched = fd, file, map[int32]watch{}
	p.work.Go(func() {
		_ = conn.Read(func(uintptr) bool { return p.drain() })
	})
	return nil
}

// drain tells of what has come so far, and says whether that was the last.
func (p *poller) drain() (over bool) {
	p.reading.Lock()
	defer p.reading.Unlock()
	for n := burst; n == burst && !p.over; {
		// Without a mask of signals it is epoll_wait, which not every architecture has.
		got, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), burst, 0, 0, 0)
		if err != 0 {
			got = 0
		}
		n = int(got)
		for _, event := range p.events[:n] {
			if came := p.who(event); came != nil {
				came(event.Events)
			}
		}
	}
	return p.over
}

// who is to be told of an event.
func (p *poller) who(event unix.EpollEvent) func(uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.watched[event.Fd]; w.number == uint32(event.Pad) {
		return w.came
	}
	return nil
}

// close ends the reader.
func (p *poller) close() {
	p.reading.Lock()
	p.over = true
	p.reading.Unlock()
	p.mu.Lock()
	p.closed = true
	if p.file != nil {
		_ = p.file.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}
