package main

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// bareTCP is how many connections a processor second makes of nothing but the system calls that one takes, woken up as often as the prober is: what there is to be had.
func bareTCP(ctx context.Context, b bench, k kind) (perCPU float64, err error) {
	to, err := netip.ParseAddrPort(b.tcp)
	if err != nil {
		return 0, err
	}
	at := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadTime()
	if err != nil {
		return 0, err
	}
	made := 0
	for began := time.Now(); time.Since(began) < b.span/2 && ctx.Err() == nil; {
		pause := unix.NsecToTimespec(int64(time.Millisecond))
		_ = unix.Nanosleep(&pause, nil)
		for due := int(time.Since(began).Seconds() * float64(k.perSec)); made < due; made++ {
			if err := connectBare(at); err != nil {
				return 0, err
			}
		}
	}
	after, err := threadTime()
	return float64(made) / (after - before).Seconds(), err
}

// connectBare connects and resets. The server is on this machine: the connection is open when the call returns, or, beside other work, soon after.
func connectBare(to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err = unix.Connect(fd, to); err == unix.EINPROGRESS {
		err = unix.Connect(fd, to)
	}
	_ = unix.Close(fd)
	if errors.Is(err, unix.EALREADY) {
		return nil
	}
	return err
}

func threadTime() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
