package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}
