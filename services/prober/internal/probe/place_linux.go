package probe

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// place is where a TCP socket connects to, as the kernel wants it. None of its calls waits, so that they are made past the runtime's bookkeeping of system calls, which costs more than they do.
type place struct {
	six  bool
	four unix.RawSockaddrInet4
	long unix.RawSockaddrInet6
}

func placeOf(to netip.AddrPort) *place {
	port := to.Port()<<8 | to.Port()>>8
	a := to.Addr().Unmap()
	if a.Is4() {
		return &place{four: unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: a.As4()}}
	}
	return &place{six: true, long: unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: a.As16()}}
}

// socket opens a socket that is reset when it is closed: it is for a measurement, and leaves no port behind that waits for late packets.
func (p *place) socket() (fd int, err error) {
	family := unix.AF_INET
	if p.six {
		family = unix.AF_INET6
	}
	n, _, failed := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if failed != 0 {
		return -1, os.NewSyscallError("socket", failed)
	}
	reset := unix.Linger{Onoff: 1}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, n, unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&reset)), unsafe.Sizeof(reset), 0)
	return int(n), nil
}

// connect asks for the connection, and is called again to learn what became of it: EALREADY says that nothing has yet.
func (p *place) connect(fd int) error {
	var err syscall.Errno
	if p.six {
		_, _, err = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&p.long)), unsafe.Sizeof(p.long))
	} else {
		_, _, err = unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&p.four)), unsafe.Sizeof(p.four))
	}
	switch err {
	case 0, unix.EISCONN:
		return nil
	case unix.EALREADY, unix.EINPROGRESS, unix.EINTR:
		return unix.EALREADY
	}
	return os.NewSyscallError("connect", err)
}

// begin asks for a connection. A server on the same host has answered by the time that the kernel has been asked.
func (p *place) begin(fd int) error {
	err := p.connect(fd)
	if errors.Is(err, unix.EALREADY) {
		err = p.connect(fd)
	}
	return err
}

func hangUp(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// handshake is how long the kernel saw the answer to a connection's first packet take, when it had to be sent only once.
func handshake(fd int) (trip time.Duration, known bool) {
	var info unix.TCPInfo
	size := uint32(unsafe.Sizeof(info))
	_, _, err := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return time.Duration(info.Rtt) * time.Microsecond, err == 0 && info.Rtt > 0 && info.Total_retrans == 0
}
