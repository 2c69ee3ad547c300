package wan

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// limit is how many bytes may be under way to one site; beyond it packets are dropped, as a full router would. It is
// well above what one connection may have in flight (the namespaces' 32 MB send buffers).
const limit = 256 << 20

// packet is a packet under way.
type packet struct {
	due  time.Duration // since the link was opened
	data []byte
	free func()
}

// queue holds the packets under way to one site and delivers each when it is due. Packets from one source have one
// delay, so they are due in the order they came: one line per source is enough, and the next packet is at the head of
// one of the lines.
type queue struct {
	out    int // file descriptor of the TUN device
	opened time.Time
	lost   func(from int) bool
	wake   event

	mu    sync.Mutex
	lines [][]packet
	bytes int
	sleep time.Duration // the due time the scheduler sleeps until
	done  bool
}

const forever = time.Duration(1<<63 - 1)

func newQueue(sources int, opened time.Time, out int, lost func(from int) bool) (*queue, error) {
	wake, err := newEvent()
	if err != nil {
		return nil, err
	}
	return &queue{out: out, opened: opened, lost: lost, wake: wake, lines: make([][]packet, sources)}, nil
}

// push takes a packet that is due after the delay. It reports false when the packet was dropped.
func (q *queue) push(from int, data []byte, delay time.Duration, free func()) bool {
	due := time.Since(q.opened) + delay
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done || q.bytes+len(data) > limit {
		return false
	}
	q.bytes += len(data)
	q.lines[from] = append(q.lines[from], packet{due: due, data: data, free: free})
	if due < q.sleep {
		q.sleep = 0
		q.wake.ring()
	}
	return true
}

// pop returns the next packet that is due and its source, or how long to wait for it.
func (q *queue) pop() (p packet, from int, wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := -1
	for i, line := range q.lines {
		if len(line) > 0 && (first < 0 || line[0].due < q.lines[first][0].due) {
			first = i
		}
	}
	if first < 0 {
		q.sleep = forever
		return packet{}, 0, forever, false
	}
	p = q.lines[first][0]
	if wait = p.due - time.Since(q.opened); wait > 0 {
		q.sleep = p.due
		return packet{}, 0, wait, false
	}
	q.lines[first][0] = packet{}
	q.lines[first] = q.lines[first][1:]
	q.bytes -= len(p.data)
	return p, first, 0, true
}

// run delivers packets until stop. It keeps a thread of its own and sleeps in ppoll: Go's timers are coarser than the
// half millisecond that the round trips are exact to.
func (q *queue) run() {
	defer ownThread()()
	poll := []unix.PollFd{{Fd: int32(q.wake), Events: unix.POLLIN}}
	for !q.stopped() {
		p, from, wait, ok := q.pop()
		if ok {
			if !q.lost(from) {
				_, _ = unix.Write(q.out, p.data) // a packet the kernel refuses is a lost packet
			}
			p.free()
			continue
		}
		var timeout *unix.Timespec
		if wait != forever {
			ts := unix.NsecToTimespec(wait.Nanoseconds())
			timeout = &ts
		}
		_, _ = unix.Ppoll(poll, timeout, nil)
		q.wake.clear()
	}
}

func (q *queue) stopped() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done
}

// stop ends run; the eventfd stays open until close.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done = true
	q.wake.ring()
}
