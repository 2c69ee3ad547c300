//go:build !race

package probe

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readNow reads what has come to a socket, and does not wait.
func readNow(fd int, p []byte) (int, syscall.Errno) { return transfer(unix.SYS_RECVFROM, fd, p) }

// writeNow writes what a socket has room for, and does not wait.
func writeNow(fd int, p []byte) (int, syscall.Errno) { return transfer(unix.SYS_SENDTO, fd, p) }

func transfer(call uintptr, fd int, p []byte) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), 0
}
