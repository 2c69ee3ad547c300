package builder

import (
	"errors"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
)

// config is what the process is told by its environment.
type config struct {
	busURL, busSeed string
	buildkit        string
	buildRoot       string
	buildTimeout    time.Duration
	benchmark       benchmarkConfig
	health          string
}

func readConfig(r *env.Reader) (config, error) {
	c := config{
		busURL:       r.String("LEEWARD_NATS_URL", "nats://127.0.0.1:4222"),
		busSeed:      r.Required("LEEWARD_NATS_SEED"),
		buildkit:     r.String("LEEWARD_BUILDKIT_ADDR", "unix:///run/buildkit/buildkitd.sock"),
		buildRoot:    r.Required("LEEWARD_BUILD_ROOT"),
		buildTimeout: r.Duration("LEEWARD_BUILD_TIMEOUT", 10*time.Minute),
		health:       r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9102"),
	}
	benchmark, err := readBenchmarkConfig(r)
	c.benchmark = benchmark
	return c, errors.Join(r.Err(), err)
}
