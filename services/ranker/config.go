package ranker

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
)

type config struct {
	natsURL, natsSeed string
	clickhouseDSN     string
	interval          time.Duration
	healthAddr        string
}

func readConfig(r *env.Reader) (config, error) {
	r.Required("LEEWARD_CLICKHOUSE_DSN")
	c := config{
		natsURL:  r.Required("LEEWARD_NATS_URL"),
		natsSeed: r.Required("LEEWARD_NATS_SEED"),
		// The DSN holds a password, so the variable holds a reference to it.
		clickhouseDSN: r.Secret("LEEWARD_CLICKHOUSE_DSN"),
		interval:      r.Duration("LEEWARD_RANK_INTERVAL", 5*time.Second),
		healthAddr:    r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9105"),
	}
	return c, r.Err()
}
