package doctor

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// A stream is worth a warning at the first share of its limit, and a failure at the second: it refuses what is new when it is full.
const (
	fillWarn = 0.7
	fillFail = 0.9
)

func (r *report) bus(f Facts) {
	replicas := 0
	for _, s := range f.Streams {
		what := "stream " + s.Contract.Name
		if s.Err != nil {
			r.add(Fail, what, s.Err.Error(), "is NATS running, with JetStream? its log tells")
			continue
		}
		replicas = max(replicas, s.Replicas)
		share := float64(s.Bytes) / float64(s.Contract.MaxBytes)
		evidence := fmt.Sprintf("%d messages, %.1f of %.0f MiB (%.0f %%), kept for %s", s.Messages, mib(s.Bytes), mib(uint64(s.Contract.MaxBytes)), 100*share, s.Contract.MaxAge)
		advice := "it will refuse new messages when full: is its reader behind? else give it more room"
		switch {
		case s.Contract.Name == schemas.Letters && s.Messages > 0:
			r.add(Warn, what, fmt.Sprintf("%d dead letters; the newest: %.200s", s.Messages, f.Letter), "leeward dlq list shows what could not be read, by whom and why; once its reader can read it, leeward dlq replay puts it back")
		case share >= fillFail:
			r.add(Fail, what, evidence, advice)
		case share >= fillWarn:
			r.add(Warn, what, evidence, advice)
		default:
			r.add(OK, what, evidence, "")
		}
	}
	if replicas == 1 {
		r.add(Warn, "bus", "one copy of every stream: one node", "for production, three NATS nodes over three failure domains, at least one outside every app's primary")
	} else if replicas > 1 {
		r.add(OK, "bus", fmt.Sprintf("%d copies of every stream", replicas), "")
	}
	r.domain(f)
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// domain warns when most of the bus stands where an app's traffic is: the region's loss would take the quorum along. Places are told by their addresses.
func (r *report) domain(f Facts) {
	count := map[string]int{}
	for _, server := range f.Servers {
		if region := f.regionOf(hostOf(server)); region != "" {
			count[region]++
		}
	}
	for _, a := range f.Topology.Apps {
		active := f.Routes[a.Name].Active.Region
		if n := count[active]; active != "" && 2*n > len(f.Servers) {
			r.add(Warn, "bus", fmt.Sprintf("%d of %d NATS nodes are in %s, where the traffic of %s is", n, len(f.Servers), active, a.Name),
				"if that region is lost the bus is lost with it, and nothing moves: place the nodes over three failure domains")
		}
	}
}

// regionOf finds the one region that has something at a host.
func (f Facts) regionOf(host string) string {
	found := map[string]bool{}
	for _, region := range f.Topology.Regions {
		if hostOf(region.Registry) == host {
			found[region.Name] = true
		}
	}
	for _, a := range f.Topology.Apps {
		for _, e := range a.Endpoints {
			for _, address := range []string{e.ICMP, e.TCP, e.TLS, e.HTTP, e.GRPC} {
				if address != "" && hostOf(address) == host {
					found[e.Region] = true
				}
			}
		}
	}
	if names := slices.Collect(maps.Keys(found)); len(names) == 1 {
		return names[0]
	}
	return ""
}

// hostOf is the host of a URL, a host:port or a host.
func hostOf(address string) string {
	if strings.Contains(address, "://") {
		if u, err := url.Parse(address); err == nil {
			return u.Hostname()
		}
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// BehindFor is how long the recorder may have left messages lying before it is behind.
const BehindFor = 30 * time.Second

func (r *report) recorder(f Facts) {
	for _, s := range f.Streams {
		if s.Err != nil || s.Contract.Name == schemas.Letters {
			continue
		}
		what := "recorder of " + s.Contract.Name
		in := f.Inserted[s.Contract.Name]
		if in.Incarnation != s.Incarnation {
			in = schemas.InsertIntent{}
		}
		behind := s.Last - min(in.Last, s.Last)
		evidence := fmt.Sprintf("%d messages behind", behind)
		if !in.At.IsZero() {
			evidence += ", last block " + ago(f.Now.Sub(in.At)) + " ago"
		}
		advice := "is the recorder running, and does ClickHouse answer? a failover needs neither, a ranking both"
		switch {
		case len(s.Stalled) > 0 && (behind > 0 || f.Now.Sub(in.At) < BehindFor):
			r.add(Fail, what, evidence+"; stalled: "+strings.Join(s.Stalled, "; "), advice)
		case behind == 0 || f.Now.Sub(in.At) < BehindFor:
			r.add(OK, what, evidence, "")
		default:
			r.add(Fail, what, evidence, advice)
		}
	}
}

func (r *report) registries(f Facts) {
	for _, address := range slices.Sorted(maps.Keys(f.Registries)) {
		what := "registry " + address
		for _, region := range f.Topology.Regions {
			if region.Registry == address {
				what += " of " + region.Name
			}
		}
		if err := f.Registries[address]; err != nil {
			r.add(Fail, what, err.Error(), "images can not be built to it or copied there until it answers")
			continue
		}
		r.add(OK, what, "answers", "")
	}
}

func (r *report) hooks(f Facts) {
	if len(f.Hooks) == 0 {
		r.add(Warn, "webhooks", "none has a secret, so all are refused", "set LEEWARD_HOOK_ALERTMANAGER_SECRET and those of your registries and git server")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Hooks)) {
		if last := f.Hooks[name]; !last.IsZero() {
			r.add(OK, "webhook "+name, "last accepted "+ago(f.Now.Sub(last))+" ago", "")
			continue
		}
		r.add(Warn, "webhook "+name, "none accepted since the gateway started "+ago(f.Now.Sub(f.Up))+" ago", "have the sender deliver a test; what is refused is in the gateway's log")
	}
}
