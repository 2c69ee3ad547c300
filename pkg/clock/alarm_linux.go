package clock

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Alarm goes off at a moment, to some tens of microseconds on a processor that has time. It rests on a timer of the kernel that the runtime waits for as it waits for a socket:
// the runtime's own timers are up to a millisecond late, and a sleep in the kernel keeps a processor of the runtime's busy. Its calls, none of which waits, are made past the runtime's
// bookkeeping of system calls, which wakes a thread to watch over each: that costs as much as waking up for the alarm does.
type Alarm struct {
	fd   int
	file *os.File
	conn syscall.RawConn
}

// NewAlarm makes an alarm that is not set.
func NewAlarm() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &Alarm{fd: fd, file: os.NewFile(uintptr(fd), "timer")}
	if a.conn, err = a.file.SyscallConn(); err != nil {
		_ = a.file.Close()
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return a, nil
}

// Set has the alarm go off after a while, instead of when it would have before.
func (a *Alarm) Set(after time.Duration) {
	// Zero would switch the timer off.
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(after, 1)))}
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(a.fd), 0, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
}

// Wait returns when the alarm goes off or is closed.
func (a *Alarm) Wait() {
	_ = a.conn.Read(func(fd uintptr) bool {
		var times [8]byte
		_, _, err := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&times)), uintptr(len(times)))
		return err == 0
	})
}

// Close gives the timer back. Nobody may set it any more.
func (a *Alarm) Close() { _ = a.file.Close() }
