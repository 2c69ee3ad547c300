package prober

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/guard"
)

// config is the prober's settings. What it measures comes from the topology.
type config struct {
	bus, seed string
	// hub is the JetStream domain of all but the samples, for a prober that is connected to its region's leaf.
	hub     string
	vantage string
	network socks.Dialer
	guard   guard.Guard
	// checks is the folder of the users' own checks, empty for none.
	checks     string
	healthAddr string
	spoolDir   string
	spoolBytes int64
}

func readConfig(r *env.Reader) (*config, error) {
	c := &config{
		bus:        r.Required("LEEWARD_NATS_URL"),
		seed:       r.Required("LEEWARD_NATS_SEED"),
		hub:        r.String("LEEWARD_NATS_HUB", ""),
		vantage:    r.Required("LEEWARD_VANTAGE"),
		network:    socks.Dialer{Proxy: r.String("LEEWARD_PROBE_PROXY", "")},
		guard:      guard.Guard{Rate: float64(r.Int("LEEWARD_PROBE_RATE", 200))},
		checks:     r.String("LEEWARD_PROBE_CHECKS", ""),
		healthAddr: r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9110"),
	}
	private, err := guard.Parse(r.String("LEEWARD_PROBE_ALLOW", ""))
	if err != nil {
		err = fmt.Errorf("LEEWARD_PROBE_ALLOW: %w", err)
	}
	if c.vantage != "" && !schemas.ValidName(c.vantage) {
		err = errors.Join(err, fmt.Errorf("LEEWARD_VANTAGE: %q is not a name: lower-case letters, digits and inner hyphens, at most 63", c.vantage))
	}
	if c.network.Proxy != "" {
		if wrong := socks.ValidProxy(c.network.Proxy); wrong != nil {
			err = errors.Join(err, fmt.Errorf("LEEWARD_PROBE_PROXY: %w", wrong))
		}
	}
	if c.checks != "" && !filepath.IsAbs(c.checks) {
		err = errors.Join(err, fmt.Errorf("LEEWARD_PROBE_CHECKS: %q is not an absolute path", c.checks))
	}
	// A guard takes no rate for no limit, and a spool without room drops every sample.
	if c.guard.Rate < 0 {
		err = errors.Join(err, fmt.Errorf("LEEWARD_PROBE_RATE: %g is negative; 0 is for any number", c.guard.Rate))
	}
	spool := r.Int("LEEWARD_SPOOL_MIB", 256)
	if spool < 1 {
		err = errors.Join(err, fmt.Errorf("LEEWARD_SPOOL_MIB: %d is less than 1", spool))
	}
	c.guard.Private, c.network.Permit = private, c.guard.Permit
	c.spoolDir = r.String("LEEWARD_SPOOL_DIR", filepath.Join("/var/lib/leeward/spool", c.vantage))
	c.spoolBytes = int64(spool) << 20
	return c, errors.Join(r.Err(), err)
}
