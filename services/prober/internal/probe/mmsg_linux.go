package probe

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// burst is how many packets one system call sends or receives at most.
const burst = 64

// mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// messages is the memory of one call of sendmmsg or recvmmsg.
type messages struct {
	headers  [burst]mmsghdr
	vectors  [burst]unix.Iovec
	packets  [burst][]byte
	controls [burst][]byte
	names    [burst]unix.RawSockaddrInet6
}

// newMessages makes room for packets and control messages of a size. Both must be alive as long as the headers that point at them, which they are inside one struct.
func newMessages(packet, control int) *messages {
	m := &messages{}
	for i := range m.headers {
		m.packets[i] = make([]byte, packet)
		m.vectors[i].Base = &m.packets[i][0]
		h := &m.headers[i].header
		h.Iov = &m.vectors[i]
		h.SetIovlen(1)
		if control > 0 {
			m.controls[i] = make([]byte, control)
			h.Control = &m.controls[i][0]
		}
	}
	return m
}

// to addresses message i.
func (m *messages) to(i int, to netip.Addr, length int) {
	h := &m.headers[i].header
	h.Name = (*byte)(unsafe.Pointer(&m.names[i]))
	if to.Is4() {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.names[i]))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.As4()}
		h.Namelen = unix.SizeofSockaddrInet4
	} else {
		m.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.As16()}
		h.Namelen = unix.SizeofSockaddrInet6
	}
	m.vectors[i].SetLen(length)
}

// send sends the messages [from, to) and returns how many went. It does not wait, and need not be watched by the runtime.
func (m *messages) send(fd, from, to int) (int, error) {
	n, _, err := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[from])), uintptr(to-from), 0, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

// receive fills the messages with what has arrived and does not wait.
func (m *messages) receive(fd, flags int) (int, error) {
	for i := range m.headers {
		m.vectors[i].SetLen(len(m.packets[i]))
		m.headers[i].header.SetControllen(len(m.controls[i]))
	}
	n, _, err := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[0])), burst, uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

// packet is what came as message i.
func (m *messages) packet(i int) []byte { return m.packets[i][:m.headers[i].length] }

// stamp is when the kernel says that message i arrived or left, and, of one that left, its number on the socket.
func (m *messages) stamp(i int) (at time.Time, number uint32, left bool) {
	control := m.controls[i][:m.headers[i].header.Controllen]
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(control) {
			break
		}
		data := control[unix.CmsgLen(0):size]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPING && len(data) >= 16:
			seconds, nanos := int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:]))
			if seconds != 0 {
				at = time.Unix(seconds, nanos)
			}
		case (h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR || h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_RECVERR) && len(data) >= 16:
			// struct sock_extended_err
			left = data[4] == unix.SO_EE_ORIGIN_TIMESTAMPING
			number = binary.NativeEndian.Uint32(data[12:])
		}
		control = control[min(len(control), unix.CmsgSpace(size-unix.CmsgLen(0))):]
	}
	return at, number, left
}
