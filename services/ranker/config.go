package ranker

import (
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/services/ranker/internal/alert"
)

type config struct {
	natsURL, natsSeed string
	clickhouseDSN     string
	interval          time.Duration
	healthAddr        string
	// alertmanager is empty where nobody is alerted of anomalies.
	alertmanager, alertmanagerToken string
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

		alertmanager:      r.String("LEEWARD_ALERTMANAGER_URL", ""),
		alertmanagerToken: r.Secret("LEEWARD_ALERTMANAGER_TOKEN"),
	}
	if c.alertmanager == "" {
		return c, r.Err()
	}
	if err := alert.CheckURL(c.alertmanager); err != nil {
		return c, errors.Join(r.Err(), fmt.Errorf("LEEWARD_ALERTMANAGER_URL: %w", err))
	}
	return c, r.Err()
}
