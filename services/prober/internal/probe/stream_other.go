//go:build !linux

package probe

import (
	"net/netip"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
)

func dialer(network socks.Dialer, _ *poller) Dial { return network.DialContext }

// poller and connector stand in for those of Linux.
type (
	poller    struct{}
	connector struct{}
)

func (*poller) close() {}

func newConnector(func(netip.Addr) error, *poller) *connector { return nil }

func (*connector) start(netip.AddrPort, time.Duration, func(Result)) {}

func (*connector) flush() {}

func (*connector) halt() {}
