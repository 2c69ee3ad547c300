// Package doctor says what is wrong with an installation, and what will bite, from what the gateway sees of it. It is pure: the caller brings the facts.
package doctor

import (
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Level is how bad a finding is.
type Level string

// The levels. A failure keeps something from working now; a warning will bite later.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level `json:"level" enum:"ok,warn,fail"`
	// What was looked at, as "app shop" or "stream SAMPLES".
	What string `json:"what"`
	// Evidence is what was seen.
	Evidence string `json:"evidence"`
	// Advice is what to do about it; empty when it is well.
	Advice string `json:"advice,omitempty"`
}

// Facts are everything findings are made from, read at one moment.
type Facts struct {
	Now      time.Time
	Topology schemas.Topology
	Routes   map[string]schemas.Route
	Rankings map[string]schemas.Ranking
	// Leases are the actuators that stand over apps, by app.
	Leases    map[string]schemas.Lease
	Verdicts  []schemas.Verdict
	Presences []schemas.Presence
	// Clocks is how far ahead each vantage's clock was of the bus's when the bus stored its presence; the time it travelled makes it look late.
	Clocks   map[string]time.Duration
	Images   []schemas.ImageState
	Streams  []Stream
	Inserted map[string]schemas.InsertIntent
	// Letter is why the newest dead letter was rejected.
	Letter string
	// Servers are the bus's addresses, as far as they are known.
	Servers []string
	// Registries are the errors of those that do not answer, by address; nil for one that does.
	Registries map[string]error
	// Hooks are the webhooks that have a secret, with the time of the last accepted call.
	Hooks map[string]time.Time
	// Discoveries are the latest looks at entries of discover, by app and entry.
	Discoveries map[string]schemas.DiscoveryState
	// Up is since when the gateway runs, which is how far back it knows of webhooks.
	Up time.Time
}

// Stream is a stream as it is beside what it may be.
type Stream struct {
	Contract        schemas.StreamContract
	Bytes, Messages uint64
	Last            uint64
	Incarnation     string
	Replicas        int
	// Stalled are its partitions that are not being recorded, each with the reason.
	Stalled []string
	// Err is why nothing is known of it.
	Err error
}

// Examine looks at everything, the most general first.
func Examine(f Facts) []Finding {
	r := &report{}
	if len(f.Topology.Apps) == 0 {
		r.add(Fail, "topology", "none has been applied", "leeward apply FILE; leeward init writes one")
	} else {
		r.add(OK, "topology", fmt.Sprintf("%s: %d regions, %d vantages, %d apps", f.Topology.Hash(), len(f.Topology.Regions), len(f.Topology.Vantages), len(f.Topology.Apps)), "")
	}
	r.bus(f)
	r.recorder(f)
	r.registries(f)
	r.hooks(f)
	r.vantages(f)
	for _, a := range f.Topology.Apps {
		r.app(f, a)
		r.discovery(f, a)
	}
	return r.findings
}

type report struct{ findings []Finding }

func (r *report) add(level Level, what, evidence, advice string) {
	if level == OK {
		advice = ""
	}
	r.findings = append(r.findings, Finding{level, what, evidence, advice})
}

// ago is a duration as people say it.
func ago(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
