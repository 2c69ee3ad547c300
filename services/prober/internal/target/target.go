// Package target says what a vantage measures: it takes a topology apart into cells, each an app in a region, and the targets of each.
package target

import (
	"cmp"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Target is one thing that is measured in one way.
type Target struct {
	// Variant is empty for the region's database, which its variants share.
	App, Region, Variant string
	Kind                 schemas.Kind
	// Address is a host for ICMP, host:port for TCP, a URL for HTTP, a reference to a URL for a database.
	Address string
	Timeout time.Duration
	// Decides says that the cell's health depends on this target, Shown that its latency is the one a verdict shows.
	Decides, Shown bool
}

// Cell is an app in a region: what one verdict is about.
type Cell struct {
	App, Region        string
	Interval, Timeout  time.Duration
	DownAfter, UpAfter int
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
				Primary: a.PrimaryDatabase, Database: a.Database(region)}
			for _, e := range a.Endpoints {
				if e.Region == region {
					c.Targets = append(c.Targets, targets(a, e)...)
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
	if slices.Contains(a.Probe.Also, schemas.KindDBFresh.String()) {
		add(schemas.KindDBFresh, read)
	}
	return all
}

// targets lists the ways an endpoint is measured. The fullest one decides: an app that answers its port but not its requests is not well.
func targets(a schemas.App, e schemas.Endpoint) []Target {
	addresses := []struct {
		kind    schemas.Kind
		address string
	}{
		{schemas.KindHTTP, e.HTTP}, {schemas.KindTCP, e.TCP}, {schemas.KindICMP, e.ICMP},
	}
	objective, _ := schemas.ParseKind(a.Objective.Kind)
	var all []Target
	decided, shown := false, -1
	for _, k := range addresses {
		if k.address == "" {
			continue
		}
		t := Target{App: a.Name, Region: e.Region, Variant: e.Variant, Kind: k.kind, Address: k.address, Timeout: a.Probe.Timeout.D()}
		t.Decides = !decided
		decided = true
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
