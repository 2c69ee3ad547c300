package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Error is how far the machine's clock may be off by the kernel's own estimate, 0 when nobody steers it.
func Error() time.Duration {
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err != nil || state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return 0
	}
	return time.Duration(t.Maxerror) * time.Microsecond
}

func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}
