// Package guard says which addresses a prober may reach. Whoever may change the topology must not be able to have it look into a network that its operator did not mean.
// It is asked about addresses, not names, at the moment of the connection: what a name resolved to before says nothing.
package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// ErrForbidden says that an address may not be reached, or not that often. It says nothing of the target.
var ErrForbidden = errors.New("not measured")

// Guard allows addresses. Its zero value allows public ones, without a limit.
type Guard struct {
	// Private are the ranges of private addresses that may be reached.
	Private []netip.Prefix
	// Rate is how many connections and echo requests a second one address may get, 0 for any number.
	Rate float64

	mu       sync.Mutex
	limiters map[netip.Addr]*rate.Limiter
}

// never are ranges in which nothing is that an app could be: this network, link-local addresses with the clouds' metadata, multicast, reserved.
var never = prefixes("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "fec0::/10", "ff00::/8",
	// Metadata and platform services that live elsewhere: AWS, Alibaba, Azure.
	"fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32")

// private are the ranges that are somebody's own.
var private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "198.18.0.0/15", "::1/128", "fc00::/7")

// Addresses of IPv6 that stand for one of IPv4, and where in them it is.
var embedding = map[netip.Prefix]int{netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("64:ff9b:1::/96"): 12, netip.MustParsePrefix("2002::/16"): 2, netip.MustParsePrefix("::/96"): 12}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// Parse reads ranges by comma, as 10.0.0.0/8,fd00:1::/48.
func Parse(text string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		p, err := netip.ParsePrefix(one)
		if err != nil {
			return nil, fmt.Errorf("%q is not a range of addresses such as 10.20.0.0/16", one)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%q has bits behind its length: %s is meant, or a longer one", one, p.Masked())
		}
		all = append(all, p)
	}
	return all, nil
}

// Permit returns why an address may not be reached now, or nil.
func (g *Guard) Permit(a netip.Addr) error {
	a = plain(a)
	switch {
	case in(never, a):
		return fmt.Errorf("%w: %s is of a range that probers never reach", ErrForbidden, a)
	case in(private, a) && !in(g.Private, a):
		return fmt.Errorf("%w: %s is a private address, which the prober's LEEWARD_PROBE_ALLOW does not hold (as %s)", ErrForbidden, a, netip.PrefixFrom(a, a.BitLen()))
	case g.Rate > 0 && !g.limiter(a).Allow():
		return fmt.Errorf("%w: %s gets %g connections a second already, which is LEEWARD_PROBE_RATE", ErrForbidden, a, g.Rate)
	}
	return nil
}

// plain is the address that another stands for.
func plain(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a
	}
	for p, at := range embedding {
		if p.Contains(a) && !a.IsLoopback() && !a.IsUnspecified() {
			whole := a.As16()
			return netip.AddrFrom4([4]byte(whole[at : at+4]))
		}
	}
	return a
}

func in(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// many is how many addresses are remembered at most; then all are forgotten, which lets through one burst more.
const many = 200_000

func (g *Guard) limiter(a netip.Addr) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.limiters[a]
	if l == nil {
		if g.limiters == nil || len(g.limiters) >= many {
			g.limiters = map[netip.Addr]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(g.Rate), max(1, int(g.Rate)))
		g.limiters[a] = l
	}
	return l
}
