package benchmark

import (
	"context"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialIn connects from inside a network namespace.
func dialIn(ctx context.Context, space *os.File, address string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		// The thread is in the namespace from here on, and ends with this goroutine because it is never unlocked.
		runtime.LockOSThread()
		if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- dialled{nil, os.NewSyscallError("setns", err)}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		done <- dialled{conn, err}
	}()
	d := <-done
	return d.conn, d.err
}
