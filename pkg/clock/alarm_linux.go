package clock

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Alarm goes off at a moment, to some tens of microseconds on a processor that has time. It rests on a timer of the kernel that the runtime waits for as it waits for a socket:
// the runtime's own timers are up to a millisecond late, and a sleep in the kernel keeps a processor of the runtime's busy.
type Alarm struct {
	fd   int
	file *os.File
}

// NewAlarm makes an alarm that is not set.
func NewAlarm() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return &Alarm{fd, os.NewFile(uintptr(fd), "timer")}, nil
}

// Set has the alarm go off after a while, instead of when it would have before.
func (a *Alarm) Set(after time.Duration) {
	// Zero would switch the timer off.
	_ = unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(after, 1)))}, nil)
}

// Wait returns when the alarm goes off or is closed.
func (a *Alarm) Wait() {
	var times [8]byte
	_, _ = a.file.Read(times[:])
}

// Close gives the timer back. Nobody may set it any more.
func (a *Alarm) Close() { _ = a.file.Close() }
