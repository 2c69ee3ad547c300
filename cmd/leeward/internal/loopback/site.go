// Package loopback simulates regions on one machine's loopback, for those without root or Linux: a small real app in each region,
// and a proxy that delays and cuts what passes between them. It proves Leeward's logic; it says nothing of any network.
package loopback

import (
	"fmt"
	"net/netip"
	"slices"
)

// Banner is what everyone is told who looks at figures of the simulation.
const Banner = "SIMULATED: these regions are simulated on this machine's loopback; delays and failures are injected by a proxy, and the figures say nothing of a real network"

// Variants are the variants of the app in every region. They differ in name only: nothing was built.
var Variants = []string{"slim", "static"}

// Site is a place: the entry, or a region.
type Site string

// Entry is where traffic comes in and where the bus is. It is no region and can not be cut off.
const Entry Site = "madrid"

// sites are all places. Everything a place has listens on ports of its own: a hundred for each, counted from the world's first.
var sites = []Site{Entry, "frankfurt", "london", "dallas", "tokyo"}

// Regions are the places that the app runs in.
func Regions() []Site { return sites[1:] }

// Ports of a place, counted from its first. The variants' follow the anchor's.
const (
	anchorPort  = 0
	variantPort = 1
	proxyPort   = 90
	busPort     = 91
	perSite     = 100
)

// FirstPort is the first port of the world that `leeward up --loopback` starts.
const FirstPort = 18000

// Ports says where everything listens, counted from the world's first port.
type Ports int

func (p Ports) at(s Site, offset int) netip.AddrPort {
	port := int(p) + perSite*slices.Index(sites, s) + offset
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}

// Anchor is an address in a place that is part of no app: it takes connections and ends them.
func (p Ports) Anchor(s Site) netip.AddrPort { return p.at(s, anchorPort) }

// App is where a variant of the app listens in a region.
func (p Ports) App(s Site, variant string) netip.AddrPort {
	return p.at(s, variantPort+slices.Index(Variants, variant))
}

// Proxy is the SOCKS proxy (4 and 5) through which whoever is in a place reaches the others.
func (p Ports) Proxy(s Site) netip.AddrPort { return p.at(s, proxyPort) }

// Bus is where whoever is in a place finds the bus, which is at the entry.
func (p Ports) Bus(s Site) netip.AddrPort { return p.at(s, busPort) }

// site says in which place an address is.
func (p Ports) site(a netip.AddrPort) (Site, bool) {
	offset := int(a.Port()) - int(p)
	if !a.Addr().IsLoopback() || offset < 0 || offset >= perSite*len(sites) || offset%perSite >= variantPort+len(Variants) {
		return "", false
	}
	return sites[offset/perSite], true
}

// Place returns the place of that name.
func Place(name string) (Site, error) {
	if !slices.Contains(sites, Site(name)) {
		return "", fmt.Errorf("%q is not a simulated place; they are %v", name, sites)
	}
	return Site(name), nil
}
