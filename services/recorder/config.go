package recorder

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/services/recorder/internal/partition"
	"github.com/leeward-failover/leeward/services/recorder/internal/schema"
)

// maxFlushRows leaves room for the last message of a block below the million rows that one INSERT may hold.
const maxFlushRows = 900_000

type config struct {
	natsURL, natsSeed string
	clickhouseDSN     string
	healthAddr        string
	flushInterval     time.Duration
	flushRows         int
	// lease is how long the partitions of a recorder that died wait for another.
	lease time.Duration
	// domains are the JetStream domains of regions whose samples are read beside the hub's.
	domains []string
	// retention is how long each table keeps its rows.
	retention map[string]time.Duration
	unsafe    partition.Unsafe
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
		lease:         r.Duration("LEEWARD_LEASE_TTL", 5*time.Second),
		domains:       strings.FieldsFunc(r.String("LEEWARD_NATS_DOMAINS", ""), func(c rune) bool { return c == ',' || c == ' ' }),
		retention:     map[string]time.Duration{},
	}
	// Not for people: the tests show with it what each guard is for.
	for _, guard := range strings.FieldsFunc(r.String("LEEWARD_TEST_WITHOUT", ""), func(c rune) bool { return c == ',' }) {
		switch guard {
		case "token":
			c.unsafe.Token = true
		case "look":
			c.unsafe.Look = true
		case "fence":
			c.unsafe.Fence = true
		}
	}
	// The bus counts in seconds.
	c.lease = max(c.lease.Truncate(time.Second), 2*time.Second)
	const day = 24 * time.Hour
	for _, t := range schema.Retentions {
		c.retention[t.Table] = r.Duration(t.Setting, t.Default)
	}
	// The DSN may hold a password, so it may be a reference like any secret.
	if strings.HasPrefix(c.clickhouseDSN, "file:") || strings.HasPrefix(c.clickhouseDSN, "env:") {
		c.clickhouseDSN = r.Secret("LEEWARD_CLICKHOUSE_DSN")
	}
	err := r.Err()
	if c.flushRows < 1 || c.flushRows > maxFlushRows {
		err = errors.Join(err, fmt.Errorf("LEEWARD_FLUSH_ROWS: %d is not 1 to %d", c.flushRows, maxFlushRows))
	}
	for _, t := range schema.Retentions {
		if d := c.retention[t.Table]; d < day || d%time.Hour != 0 {
			err = errors.Join(err, fmt.Errorf("%s: %s is not a whole number of hours, at least 24h", t.Setting, d))
		}
	}
	return c, err
}
