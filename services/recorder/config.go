package recorder

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
)

// maxFlushRows leaves room for the last message of a block below the million rows that one INSERT may hold.
const maxFlushRows = 900_000

type config struct {
	natsURL, natsSeed string
	clickhouseDSN     string
	healthAddr        string
	flushInterval     time.Duration
	flushRows         int
}

func readConfig(r *env.Reader) (config, error) {
	c := config{
		natsURL:       r.Required("LEEWARD_NATS_URL"),
		natsSeed:      r.Required("LEEWARD_NATS_SEED"),
		clickhouseDSN: r.Required("LEEWARD_CLICKHOUSE_DSN"),
		healthAddr:    r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9104"),
		// How long a sample may wait for others to share its INSERT: most of the delay until it can be queried.
		flushInterval: r.Duration("LEEWARD_FLUSH_INTERVAL", 200*time.Millisecond),
		flushRows:     r.Int("LEEWARD_FLUSH_ROWS", 100_000),
	}
	// The DSN may hold a password, so it may be a reference like any secret.
	if strings.HasPrefix(c.clickhouseDSN, "file:") || strings.HasPrefix(c.clickhouseDSN, "env:") {
		c.clickhouseDSN = r.Secret("LEEWARD_CLICKHOUSE_DSN")
	}
	err := r.Err()
	if c.flushRows < 1 || c.flushRows > maxFlushRows {
		err = errors.Join(err, fmt.Errorf("LEEWARD_FLUSH_ROWS: %d is not 1 to %d", c.flushRows, maxFlushRows))
	}
	return c, err
}
