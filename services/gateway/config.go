package gateway

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
)

type config struct {
	natsURL, natsSeed                      string
	apiAddr, healthAddr                    string
	apiToken                               string
	distributionSecret, alertmanagerSecret string
	reconcileEvery                         time.Duration
	simulated                              bool
}

func readConfig(r *env.Reader) (config, error) {
	c := config{
		natsURL:  r.Required("LEEWARD_NATS_URL"),
		natsSeed: r.Required("LEEWARD_NATS_SEED"),
		// Whoever can reach the API can read it, so it listens on loopback until told otherwise.
		apiAddr:    r.String("LEEWARD_API_ADDR", "127.0.0.1:8080"),
		healthAddr: r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9101"),
		// Without a token nothing can be written; without a webhook secret that webhook is refused.
		apiToken:           r.Secret("LEEWARD_API_TOKEN"),
		distributionSecret: r.Secret("LEEWARD_HOOK_DISTRIBUTION_SECRET"),
		alertmanagerSecret: r.Secret("LEEWARD_HOOK_ALERTMANAGER_SECRET"),
		reconcileEvery:     r.Duration("LEEWARD_RECONCILE_INTERVAL", 5*time.Minute),
		// Whoever simulates the regions says so, and the console says it to everyone.
		simulated: r.String("LEEWARD_SIMULATED", "") == "true",
	}
	return c, r.Err()
}
