//go:build !linux

package probe

import (
	"errors"
	"net/netip"
	"time"
)

// echoSocket stands in for the one of Linux.
type echoSocket struct{ six bool }

type departure struct {
	nonce uint64
	at    time.Time
}

func openEcho(bool) (*echoSocket, error) {
	return nil, errors.New("ICMP is measured on Linux only: leave icmp out of the endpoint, tcp stands for it")
}

func (*echoSocket) queue(netip.Addr, uint64) bool { return true }

func (*echoSocket) send(func([]uint64), func(uint64, error)) {}

func (*echoSocket) read(func([]departure), func([]echoReply)) {}

func (*echoSocket) drain(func([]departure), func([]echoReply)) {}

func (*echoSocket) close() {}
