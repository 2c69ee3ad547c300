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
	if c.vantage != "" && !schemas.ValidName(c.vantage) {
		return c, errors.Join(r.Err(), fmt.Errorf("LEEWARD_VANTAGE: %q is not a name: lower-case letters, digits and inner hyphens, at most 63", c.vantage))
	}
	if c.network.Proxy != "" {
		if err := socks.ValidProxy(c.network.Proxy); err != nil {
			return c, errors.Join(r.Err(), fmt.Errorf("LEEWARD_PROBE_PROXY: %w", err))
		}
	}
	if c.checks != "" && !filepath.IsAbs(c.checks) {
		return c, errors.Join(r.Err(), fmt.Errorf("LEEWARD_PROBE_CHECKS: %q is not an absolute path", c.checks))
	}
	private, err := guard.Parse(r.String("LEEWARD_PROBE_ALLOW", ""))
	if err != nil {
		return c, errors.Join(r.Err(), fmt.Errorf("LEEWARD_PROBE_ALLOW: %w", err))
	}
	c.guard.Private, c.network.Permit = private, c.guard.Permit
	c.spoolDir = r.String("LEEWARD_SPOOL_DIR", filepath.Join("/var/lib/leeward/spool", c.vantage))
	c.spoolBytes = int64(r.Int("LEEWARD_SPOOL_MIB", 256)) << 20
	return c, r.Err()
}
