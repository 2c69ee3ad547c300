//go:build !linux

package probe

import (
	"net/netip"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
)

func dialer(network socks.Dialer) Dial { return network.DialContext }

// connector stands in for the one of Linux.
type connector struct{}

func newConnector(func(netip.Addr) error) *connector { return nil }

func (*connector) start(netip.AddrPort, time.Duration, func(Result)) {}

func (*connector) flush() {}

func (*connector) halt() {}

func (*connector) close() {}
