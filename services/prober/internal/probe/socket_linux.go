package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// echoSocket is an ICMP socket of one family: raw where the process may, else the kernel's ping socket.
type echoSocket struct {
	six, raw bool
	closed   atomic.Bool
	fd       int
	file     *os.File
	conn     syscall.RawConn
	id       uint16

	mu sync.Mutex
	// out are the packets to be sent next, queued of them, with their nonces.
	out      *messages
	queued   int
	nonces   [burst]uint64
	sequence uint16
	// sent are the nonces of the latest packets by the kernel's number, which counts them from 0 on.
	sent   [1 << 16]uint64
	number uint32

	// reading guards what the kernel's messages are read into.
	reading    sync.Mutex
	in, errors *messages
	replies    []echoReply
	left       []departure
}

// departure is when the kernel says that a request went.
type departure struct {
	nonce uint64
	at    time.Time
}

// The types of ICMP messages that matter, by family.
const (
	echoReply4, unreachable4, echoRequest4 = 0, 3, 8
	unreachable6, echoRequest6, echoReply6 = 1, 128, 129
)

// echoMagic begins the payload of our requests; the nonce follows.
const echoMagic = "leeward\x01"

const (
	echoHeader = 8
	echoLength = echoHeader + len(echoMagic) + 8
)

func openEcho(six bool) (*echoSocket, error) {
	domain, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if six {
		domain, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	s := &echoSocket{six: six, raw: true, id: uint16(rand.Uint32()), out: newMessages(echoLength, 0), in: newMessages(1500, 128), errors: newMessages(1, 256)}
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
	s.fd = fd
	s.file = os.NewFile(uintptr(fd), "icmp")
	if s.conn, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		return nil, fmt.Errorf("ICMP socket: %w", err)
	}
	return s, nil
}

// stamping asks for the kernel's stamps of what arrives and what leaves; those of what leaves come back through the error queue, with a number and without the packet.
const stamping = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_TX_SOFTWARE |
	unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY | unix.SOF_TIMESTAMPING_OPT_CMSG

// room is how much the kernel may keep for the socket each way: the answers to one burst must not push each other out while the reader sleeps.
const room = 8 << 20

// tune asks for stamps and room, and keeps from a raw socket what is no answer of ours.
func (s *echoSocket) tune(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping); err != nil {
		return err
	}
	for force, plain := range map[int]int{unix.SO_RCVBUFFORCE: unix.SO_RCVBUF, unix.SO_SNDBUFFORCE: unix.SO_SNDBUF} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, room) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, room); err != nil {
				return err
			}
		}
	}
	if !s.raw {
		return nil
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, s.filter())
}

// filter is a program of the kernel's packet filter that lets through the answers that carry our id, and reports of unreachability.
func (s *echoSocket) filter() *unix.SockFprog {
	const (
		loadHeader = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH
		loadByte   = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
		loadHalf   = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
		equal      = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer     = unix.BPF_RET | unix.BPF_K
	)
	begin, unreachable, reply := unix.SockFilter{Code: loadHeader}, uint32(unreachable4), uint32(echoReply4)
	if s.six {
		// A raw socket of IPv6 gets no header in front.
		begin, unreachable, reply = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_IMM}, unreachable6, echoReply6
	}
	program := []unix.SockFilter{
		begin,
		{Code: loadByte, K: 0},
		{Code: equal, K: unreachable, Jt: 3},
		{Code: equal, K: reply, Jf: 3},
		{Code: loadHalf, K: 4},
		{Code: equal, K: uint32(s.id), Jf: 1},
		{Code: answer, K: 1 << 16},
		{Code: answer, K: 0},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// queue makes a request that carries a nonce, or returns false when there is no room for it before what is queued has been sent.
func (s *echoSocket) queue(to netip.Addr, nonce uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return true // Halt ends the request
	}
	i := s.queued
	if i == burst {
		return false
	}
	packet := s.out.packets[i][:echoLength]
	clear(packet[:echoHeader])
	packet[0] = echoRequest4
	if s.six {
		packet[0] = echoRequest6
	}
	s.sequence++
	binary.BigEndian.PutUint16(packet[4:], s.id)
	binary.BigEndian.PutUint16(packet[6:], s.sequence)
	copy(packet[echoHeader:], echoMagic)
	binary.BigEndian.PutUint64(packet[echoHeader+len(echoMagic):], nonce)
	if !s.six {
		binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	}
	s.out.to(i, to, echoLength)
	s.nonces[i] = nonce
	s.queued++
	return true
}

// patient is how long a full send buffer is waited for.
const patient = 20 * time.Millisecond

// send sends what is queued, and tells of what it is about to send and of what could not be sent.
func (s *echoSocket) send(ask func(nonces []uint64), failed func(nonce uint64, err error)) {
	type failure struct {
		nonce uint64
		err   error
	}
	var failures []failure
	s.mu.Lock()
	began := time.Now()
	for next := 0; next < s.queued; {
		// The kernel counts only what it takes.
		for i := next; i < s.queued; i++ {
			s.sent[uint16(s.number)+uint16(i-next)] = s.nonces[i]
		}
		ask(s.nonces[next:s.queued])
		n, err := s.out.send(s.fd, next, s.queued)
		s.number += uint32(n)
		next += n
		switch {
		case err == nil, errors.Is(err, unix.EINTR):
		case (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS)) && time.Since(began) < patient:
			time.Sleep(100 * time.Microsecond)
		default:
			failures = append(failures, failure{s.nonces[next], err})
			next++
			s.recount()
		}
	}
	s.queued = 0
	s.mu.Unlock()
	for _, f := range failures {
		failed(f.nonce, f.err)
	}
}

// recount has the kernel count from 0 again: not every release agrees whether a packet that was refused counts.
func (s *echoSocket) recount() {
	for _, flags := range []int{stamping &^ unix.SOF_TIMESTAMPING_OPT_ID, stamping} {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, flags)
	}
	s.number = 0
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

// read hands on when requests left and what came back, until the socket is closed.
func (s *echoSocket) read(leave func([]departure), deliver func([]echoReply)) {
	_ = s.conn.Read(func(uintptr) bool {
		s.drain(leave, deliver)
		return s.closed.Load() // else whatever comes from here on wakes the reader
	})
}

// drain hands on what has come so far.
func (s *echoSocket) drain(leave func([]departure), deliver func([]echoReply)) {
	s.reading.Lock()
	defer s.reading.Unlock()
	for n := burst; n == burst && !s.closed.Load(); {
		// The stamps are read after the answers and used before them: of every answer that is here, the request's stamp is here, too.
		n, _ = s.in.receive(s.fd, 0)
		replies := s.replies[:0]
		for i := range n {
			if r, ok := s.parse(s.in.packet(i)); ok {
				r.at, _, _ = s.in.stamp(i)
				replies = append(replies, r)
			}
		}
		for m := burst; m == burst; {
			m, _ = s.errors.receive(s.fd, unix.MSG_ERRQUEUE)
			s.left = s.departures(s.left[:0], s.errors, m)
			leave(s.left)
		}
		deliver(replies)
		s.replies = replies
	}
}

// departures finds out which requests the stamps in the error queue belong to.
func (s *echoSocket) departures(all []departure, m *messages, n int) []departure {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		if at, number, left := m.stamp(i); left && !at.IsZero() {
			all = append(all, departure{s.sent[uint16(number)], at})
		}
	}
	return all
}

// close ends the reader.
func (s *echoSocket) close() {
	s.mu.Lock()
	s.closed.Store(true)
	s.queued = 0
	s.mu.Unlock()
	// Nobody sends from here on; who reads takes the other lock first.
	s.reading.Lock()
	defer s.reading.Unlock()
	_ = s.file.Close()
}

// parse finds our nonce in a message. A report of unreachability quotes our request behind its own header.
func (s *echoSocket) parse(packet []byte) (r echoReply, ok bool) {
	if s.raw && !s.six {
		packet = behindIPv4(packet)
	}
	if len(packet) < echoHeader {
		return r, false
	}
	switch kind := packet[0]; {
	case !s.six && kind == unreachable4:
		packet, r.err = behindIPv4(packet[echoHeader:]), errUnreachable
	case s.six && kind == unreachable6:
		packet, r.err = packet[min(len(packet), echoHeader+40):], errUnreachable
	case !s.six && kind != echoReply4, s.six && kind != echoReply6:
		return r, false
	}
	if len(packet) < echoLength || string(packet[echoHeader:echoHeader+len(echoMagic)]) != echoMagic {
		return r, false
	}
	r.nonce = binary.BigEndian.Uint64(packet[echoHeader+len(echoMagic):])
	return r, true
}

// behindIPv4 skips an IPv4 header; nothing is behind one that is not whole.
func behindIPv4(packet []byte) []byte {
	if len(packet) == 0 {
		return nil
	}
	return packet[min(len(packet), int(packet[0]&0x0f)*4):]
}
