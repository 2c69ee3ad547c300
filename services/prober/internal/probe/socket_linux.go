package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// echoSocket is an ICMP socket of one family: raw where the process may, else the kernel's ping socket.
type echoSocket struct {
	six, raw bool
	file     *os.File
	conn     syscall.RawConn
	id       uint16
	sequence atomic.Uint32
}

// The types of ICMP messages that matter, by family.
const (
	echoReply4, unreachable4, echoRequest4 = 0, 3, 8
	unreachable6, echoRequest6, echoReply6 = 1, 128, 129
)

// echoMagic begins the payload of our requests; the nonce follows.
const echoMagic = "leeward\x01"

const echoHeader = 8

func openEcho(six bool) (*echoSocket, error) {
	domain, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if six {
		domain, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	s := &echoSocket{six: six, raw: true, id: uint16(rand.Uint32())}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		s.raw = false
		if fd, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol); err != nil {
			return nil, fmt.Errorf("open ICMP socket (needs CAP_NET_RAW, or the group in net.ipv4.ping_group_range): %w", err)
		}
	}
	if err := s.tune(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("tune ICMP socket: %w", err)
	}
	s.file = os.NewFile(uintptr(fd), "icmp")
	if s.conn, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		return nil, fmt.Errorf("ICMP socket: %w", err)
	}
	return s, nil
}

// tune asks for the kernel's receive stamps, and keeps from a raw socket what is no answer, such as our own requests on the loopback.
func (s *echoSocket) tune(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	switch {
	case !s.raw:
		return nil
	case s.six:
		filter := unix.ICMPv6Filter{}
		for i := range filter.Data {
			filter.Data[i] = ^uint32(0)
		}
		for _, kind := range []int{unreachable6, echoReply6} {
			filter.Data[kind/32] &^= 1 << (kind % 32)
		}
		return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, 1, &filter)
	default:
		const icmpFilter = 1
		block := int32(^(1<<echoReply4 | 1<<unreachable4))
		return unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, int(block))
	}
}

// send sends a request that carries a nonce.
func (s *echoSocket) send(to netip.Addr, nonce uint64) error {
	packet := make([]byte, echoHeader, echoHeader+len(echoMagic)+8)
	packet[0] = echoRequest4
	if s.six {
		packet[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(packet[4:], s.id)
	binary.BigEndian.PutUint16(packet[6:], uint16(s.sequence.Add(1)))
	packet = binary.BigEndian.AppendUint64(append(packet, echoMagic...), nonce)
	var address unix.Sockaddr = &unix.SockaddrInet6{Addr: to.As16()}
	if !s.six {
		binary.BigEndian.PutUint16(packet[2:], checksum(packet))
		address = &unix.SockaddrInet4{Addr: to.As4()}
	}
	var sent error
	err := s.conn.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), packet, 0, address)
		return !errors.Is(sent, unix.EAGAIN)
	})
	return errors.Join(err, sent)
}

// checksum is the internet checksum of RFC 1071; the kernel computes that of IPv6.
func checksum(data []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// read delivers every answer until the socket is closed.
func (s *echoSocket) read(deliver func(nonce uint64, r echoReply)) {
	packet, control := make([]byte, 1500), make([]byte, 128)
	for {
		var n, controls int
		var received error
		err := s.conn.Read(func(fd uintptr) bool {
			n, controls, _, _, received = unix.Recvmsg(int(fd), packet, control, unix.MSG_DONTWAIT)
			return !errors.Is(received, unix.EAGAIN)
		})
		if err != nil {
			return
		}
		if received != nil {
			// An error that the kernel reports on the socket belongs to some request, which will time out.
			continue
		}
		if nonce, r, ok := s.parse(packet[:n]); ok {
			r.at = stamp(control[:controls])
			deliver(nonce, r)
		}
	}
}

// parse finds our nonce in a message. A report of unreachability quotes our request behind its own header.
func (s *echoSocket) parse(packet []byte) (nonce uint64, r echoReply, ok bool) {
	if s.raw && !s.six {
		packet = behindIPv4(packet)
	}
	if len(packet) < echoHeader {
		return 0, r, false
	}
	switch kind := packet[0]; {
	case !s.six && kind == unreachable4:
		packet, r.err = behindIPv4(packet[echoHeader:]), errUnreachable
	case s.six && kind == unreachable6:
		packet, r.err = packet[min(len(packet), echoHeader+40):], errUnreachable
	case !s.six && kind != echoReply4, s.six && kind != echoReply6:
		return 0, r, false
	}
	if len(packet) < echoHeader+len(echoMagic)+8 || string(packet[echoHeader:echoHeader+len(echoMagic)]) != echoMagic {
		return 0, r, false
	}
	return binary.BigEndian.Uint64(packet[echoHeader+len(echoMagic):]), r, true
}

// behindIPv4 skips an IPv4 header; nothing is behind one that is not whole.
func behindIPv4(packet []byte) []byte {
	if len(packet) == 0 {
		return nil
	}
	return packet[min(len(packet), int(packet[0]&0x0f)*4):]
}

// stamp is when the kernel received a message. Only its distance to now is taken from the wall clock, so that a clock that is set distorts one sample by at most that distance.
func stamp(control []byte) time.Time {
	now := time.Now()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SO_TIMESTAMPNS || len(m.Data) < 16 {
			continue
		}
		received := time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		if waited := now.Sub(received); waited > 0 && waited < time.Second {
			return now.Add(-waited)
		}
	}
	return now
}
