// Package target says what a vantage measures: it takes a topology apart into cells, each an app in a region, and the targets of each.
package target

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/address"
	"github.com/leeward-failover/leeward/schemas"
)

// Target is one thing that is measured in one way.
type Target struct {
	// Variant is empty for the region's database, which its variants share.
	App, Region, Variant string
	Kind                 schemas.Kind
	// Address is a host for ICMP, host:port for TCP, a URL for HTTP, either for TLS, the URL of a repository for a registry, what leeward.yaml says for DNS, gRPC
	// and a user's own check, a reference to a URL for a database.
	Address string
	Timeout time.Duration
	// Check is how the app's addresses are asked over HTTP and TLS, nil for as usual.
	Check *schemas.HTTPCheck
	// Decides says that the cell's health depends on this target, Shown that its latency is the one a verdict shows.
	Decides, Shown bool
}

// Cell is an app in a region: what one verdict is about.
type Cell struct {
	App, Region        string
	Interval, Timeout  time.Duration
	DownAfter, UpAfter int
	// MaxLatency is what the quantile of the latency should stay within, 0 for anything.
	MaxLatency time.Duration
	Quantile   float64
	// Primary and Database are the references to the app's primary database and to the region's own; without a primary nothing follows anything.
	Primary, Database string
	Targets           []Target
}

// Judged says whether a verdict waits for the target.
func (t Target) Judged() bool { return t.Decides || t.Shown }

// Cells lists every app in every region it has an endpoint in. An app without an interval or a timeout, which the gateway accepts from nobody, is not measured.
func Cells(t schemas.Topology) []Cell {
	var cells []Cell
	for _, a := range t.Apps {
		if a.Probe.Interval <= 0 || a.Probe.Timeout <= 0 {
			continue
		}
		for _, region := range a.Regions() {
			c := Cell{App: a.Name, Region: region, Interval: a.Probe.Interval.D(), Timeout: a.Probe.Timeout.D(), DownAfter: a.Probe.DownAfter, UpAfter: a.Probe.UpAfter,
				MaxLatency: a.Objective.MaxLatency.D(), Quantile: a.Objective.Quantile,
				Primary: a.PrimaryDatabase, Database: a.Database(region)}
			for _, e := range a.Endpoints {
				if e.Region == region {
					c.Targets = append(c.Targets, targets(t, a, e)...)
				}
			}
			c.Targets = append(c.Targets, databases(a, region)...)
			cells = append(cells, c)
		}
	}
	return cells
}

// databases lists the reads from a region's own database and the write to where its writes go. A database is shared and accuses no region.
func databases(a schemas.App, region string) []Target {
	read := a.Database(region)
	write := cmp.Or(a.PrimaryDatabase, read)
	var all []Target
	add := func(kind schemas.Kind, address string) {
		if address != "" {
			all = append(all, Target{App: a.Name, Region: region, Kind: kind, Address: address, Timeout: a.Probe.Timeout.D()})
		}
	}
	add(schemas.KindDBRead, read)
	add(schemas.KindDBWrite, write)
	if also(a, schemas.KindDBFresh) {
		add(schemas.KindDBFresh, read)
	}
	return all
}

// targets lists the ways an endpoint is measured. The fullest one decides: an app that answers its port but not its requests is not well.
func targets(t schemas.Topology, a schemas.App, e schemas.Endpoint) []Target {
	objective, _ := schemas.ParseKind(a.Objective.Kind)
	var all []Target
	decided, shown := false, -1
	for _, k := range slices.Concat(decisive(a, e), further(t, a, e)) {
		if k.address == "" {
			continue
		}
		t := Target{App: a.Name, Region: e.Region, Variant: e.Variant, Kind: k.kind, Address: k.address, Timeout: a.Probe.Timeout.D(), Check: a.Probe.HTTP}
		t.Decides = !decided && k.decides
		decided = decided || t.Decides
		if t.Decides || k.kind == objective {
			shown = len(all)
		}
		all = append(all, t)
	}
	if shown >= 0 {
		all[shown].Shown = true
	}
	return all
}

// way is a way to measure an endpoint; without an address it is none.
type way struct {
	kind    schemas.Kind
	address string
	decides bool
}

// decisive are the ways that say whether the app answers, the fullest first.
func decisive(a schemas.App, e schemas.Endpoint) []way {
	handshake := e.TLS
	if handshake == "" && also(a, schemas.KindTLS) {
		handshake = overTLS(e)
	}
	return []way{
		{schemas.KindHTTP, e.HTTP, true}, {schemas.KindGRPC, e.GRPC, true}, {schemas.KindExec, e.Exec, true}, {schemas.KindTCP, e.TCP, true},
		{schemas.KindTLS, handshake, true}, {schemas.KindICMP, e.ICMP, true},
	}
}

// further are the ways that accuse nobody.
func further(t schemas.Topology, a schemas.App, e schemas.Endpoint) []way {
	all := []way{{kind: schemas.KindDNS, address: e.DNS}}
	if also(a, schemas.KindHTTPKept) {
		all = append(all, way{kind: schemas.KindHTTPKept, address: e.HTTP})
	}
	if also(a, schemas.KindTLSResumed) {
		all = append(all, way{kind: schemas.KindTLSResumed, address: cmp.Or(e.TLS, overTLS(e))})
	}
	if region, _ := t.Region(e.Region); also(a, schemas.KindRegistry) && region.Registry != "" && a.Images.Repository != "" {
		all = append(all, way{kind: schemas.KindRegistry, address: strings.TrimSuffix(region.Registry, "/") + "/" + a.Images.Repository})
	}
	return all
}

func also(a schemas.App, k schemas.Kind) bool { return slices.Contains(a.Probe.Also, k.String()) }

// overTLS is the endpoint's address for HTTP if that is asked over TLS.
func overTLS(e schemas.Endpoint) string {
	if address.OverTLS(e.HTTP) {
		return e.HTTP
	}
	return ""
}
