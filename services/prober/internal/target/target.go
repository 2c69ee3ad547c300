// Package target says what a vantage measures: it takes a topology apart into cells, each an app in a region, and the targets of each.
package target

import (
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Target is one thing that is measured in one way.
type Target struct {
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
	Targets            []Target
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
			c := Cell{App: a.Name, Region: region, Interval: a.Probe.Interval.D(), Timeout: a.Probe.Timeout.D(), DownAfter: a.Probe.DownAfter, UpAfter: a.Probe.UpAfter}
			for _, e := range a.Endpoints {
				if e.Region == region {
					c.Targets = append(c.Targets, targets(a, e)...)
				}
			}
			cells = append(cells, c)
		}
	}
	return cells
}

// targets lists the ways an endpoint is measured. The fullest one decides: an app that answers its port but not its requests is not well. A database is shared and accuses no region.
func targets(a schemas.App, e schemas.Endpoint) []Target {
	addresses := []struct {
		kind    schemas.Kind
		address string
	}{
		{schemas.KindHTTP, e.HTTP}, {schemas.KindTCP, e.TCP}, {schemas.KindICMP, e.ICMP},
		{schemas.KindDBRead, e.Database}, {schemas.KindDBWrite, e.Database},
	}
	objective, _ := schemas.ParseKind(a.Objective.Kind)
	var all []Target
	decided, shown := false, -1
	for _, k := range addresses {
		if k.address == "" {
			continue
		}
		database := k.kind == schemas.KindDBRead || k.kind == schemas.KindDBWrite
		t := Target{App: a.Name, Region: e.Region, Variant: e.Variant, Kind: k.kind, Address: k.address, Timeout: a.Probe.Timeout.D()}
		t.Decides = !decided && !database
		decided = decided || t.Decides
		if t.Decides || k.kind == objective && !database {
			shown = len(all)
		}
		all = append(all, t)
	}
	if shown >= 0 {
		all[shown].Shown = true
	}
	return all
}
