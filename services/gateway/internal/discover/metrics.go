package discover

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// Metrics shows the states of all entries, whichever gateway reads them, and returns what counts changes of the topology.
func Metrics(registry *prometheus.Registry, states *bus.Mirror[schemas.DiscoveryState]) (changed func()) {
	gauge := func(name, help string, of func(all []schemas.DiscoveryState) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "leeward_gateway_discovery_" + name, Help: help}, func() float64 {
			var all []schemas.DiscoveryState
			for _, e := range states.All() {
				all = append(all, e.Value)
			}
			return of(all)
		}))
	}
	sum := func(of func(schemas.DiscoveryState) int) func([]schemas.DiscoveryState) float64 {
		return func(all []schemas.DiscoveryState) float64 {
			n := 0
			for _, s := range all {
				n += of(s)
			}
			return float64(n)
		}
	}
	gauge("entries", "Entries of discover that are read.", func(all []schemas.DiscoveryState) float64 { return float64(len(all)) })
	gauge("troubled", "Entries of discover whose latest answer could not be used.", sum(func(s schemas.DiscoveryState) int {
		if s.Trouble != "" {
			return 1
		}
		return 0
	}))
	gauge("endpoints", "Endpoints that are measured because they were discovered.", sum(func(s schemas.DiscoveryState) int { return len(s.Endpoints) }))
	gauge("refused_targets", "Discovered targets that are refused.", sum(func(s schemas.DiscoveryState) int { return s.Refused }))
	gauge("age_seconds", "How old the oldest of the entries' last usable answers is.", func(all []schemas.DiscoveryState) float64 {
		age := time.Duration(0)
		for _, s := range all {
			if !s.ReadAt.IsZero() {
				age = max(age, time.Since(s.ReadAt))
			}
		}
		return age.Seconds()
	})
	changes := prometheus.NewCounter(prometheus.CounterOpts{Name: "leeward_gateway_discovery_changes_total", Help: "Times what was discovered changed the topology."})
	registry.MustRegister(changes)
	return changes.Inc
}
