package wan

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ownThread gives the caller a thread that wakes on time, also on a busy machine: first in line for a processor and
// without the slack that the kernel adds to timers. The returned function gives the thread back.
func ownThread() func() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
	return func() {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 0)
		runtime.UnlockOSThread()
	}
}

// event wakes a thread that polls it.
type event int

func newEvent() (event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, fmt.Errorf("make eventfd: %w", err)
	}
	return event(fd), nil
}

func (e event) ring() {
	one := [8]byte{1}
	_, _ = unix.Write(int(e), one[:])
}

func (e event) clear() {
	var count [8]byte
	_, _ = unix.Read(int(e), count[:])
}

func (e event) close() {
	_ = unix.Close(int(e))
}
