package actuator

import (
	"fmt"
	"os"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
)

// config is the service's settings.
type config struct {
	bus, seed string
	health    string
	instance  string
	lease     time.Duration
}

// readConfig reads the settings; the error names every wrong one.
func readConfig(r *env.Reader) (config, error) {
	host, _ := os.Hostname()
	c := config{
		bus:      r.String("LEEWARD_NATS_URL", "nats://127.0.0.1:4222"),
		seed:     r.Required("LEEWARD_NATS_SEED"),
		health:   r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9106"),
		instance: r.String("LEEWARD_INSTANCE", fmt.Sprintf("%s-%d", host, os.Getpid())),
		lease:    r.Duration("LEEWARD_LEASE_TTL", 10*time.Second),
	}
	// The bus counts times to live in whole seconds.
	c.lease = max(c.lease.Truncate(time.Second), 2*time.Second)
	return c, r.Err()
}
