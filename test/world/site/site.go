// Package site says which places the demo world is made of and where each part of a place listens. It does nothing.
package site

import (
	"fmt"
	"net/netip"
)

// Device is the name of the network device that leads to the other sites, in every namespace.
const Device = "lw-wan0"

// Prefix holds the addresses of all sites; site i has 10.88.i.1.
var Prefix = netip.MustParsePrefix("10.88.0.0/16")

// Site is one place: the entry or a region.
type Site struct {
	// Name is the name of the region (or of the entry), as in leeward.yaml.
	Name string
	// Title is the name of the place in the table of round trips.
	Title string
	// Index is the third byte of the site's address.
	Index byte
	// Namespace is the network namespace of the site; the entry lives in the machine's own, "".
	Namespace string
}

// Entry is where traffic enters, in the machine's own network namespace: HAProxy, the hub registry and NATS.
var Entry = Site{Name: "madrid", Title: "Madrid", Index: 0}

// Regions are the places the app runs in, each with its own network namespace, registry and PostgreSQL.
var Regions = []Site{
	{Name: "frankfurt", Title: "Frankfurt", Index: 1, Namespace: "lw-frankfurt"},
	{Name: "london", Title: "London", Index: 2, Namespace: "lw-london"},
	{Name: "dallas", Title: "Dallas", Index: 3, Namespace: "lw-dallas"},
	{Name: "tokyo", Title: "Tokyo", Index: 4, Namespace: "lw-tokyo"},
}

// Variants are the ways the app is built, in the order of their ports.
var Variants = []string{"single", "slim", "nginx", "static"}

// Ports says where each variant of the app listens in a region.
var Ports = map[string]int{"single": 8081, "slim": 8082, "nginx": 8083, "static": 8084}

// Where the parts of the entry listen.
const (
	HubRegistry = "10.88.0.1:5000"
	HAProxy     = "10.88.0.1:8000"
	NATS        = "10.88.0.1:4222"
	// Prometheus and Alertmanager are for this machine only.
	Prometheus   = "127.0.0.1:9090"
	Alertmanager = "127.0.0.1:9093"
	// HAProxySocket is its runtime socket, where leeward.yaml says it is.
	HAProxySocket = "/run/leeward/haproxy.sock"
	// Gateway is Leeward's, not the world's: the hub registry sends its notifications there.
	Gateway = "127.0.0.1:8080"
)

// All returns the entry and the regions.
func All() []Site {
	return append([]Site{Entry}, Regions...)
}

// Region returns the region of that name.
func Region(name string) (Site, error) {
	for _, s := range Regions {
		if s.Name == name {
			return s, nil
		}
	}
	return Site{}, fmt.Errorf("%q is not a region of the demo world", name)
}

// Addr is the site's address.
func (s Site) Addr() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 88, s.Index, 1})
}

// Registry is the host and port of the site's registry.
func (s Site) Registry() string {
	return netip.AddrPortFrom(s.Addr(), 5000).String()
}

// Primary is the region whose PostgreSQL takes the writes; those of the others follow it.
func Primary() Site { return Regions[0] }

// Postgres is the host and port of the site's PostgreSQL.
func (s Site) Postgres() string {
	return netip.AddrPortFrom(s.Addr(), 5432).String()
}

// App is the host and port at which the site serves a variant of the app.
func (s Site) App(variant string) string {
	return netip.AddrPortFrom(s.Addr(), uint16(Ports[variant])).String()
}
