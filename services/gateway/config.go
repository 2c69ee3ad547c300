package gateway

import (
	"fmt"
	"os"
	"time"

	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/services/gateway/internal/hook"
)

type config struct {
	natsURL, natsSeed   string
	apiAddr, healthAddr string
	apiToken            string
	secrets             hook.Secrets
	reconcileEvery      time.Duration
	simulated           bool
	instance            string
}

func readConfig(r *env.Reader) (config, error) {
	host, _ := os.Hostname() // only a name for people
	c := config{
		natsURL:  r.Required("LEEWARD_NATS_URL"),
		natsSeed: r.Required("LEEWARD_NATS_SEED"),
		// Whoever can reach the API can read it, so it listens on loopback until told otherwise.
		apiAddr:    r.String("LEEWARD_API_ADDR", "127.0.0.1:8080"),
		healthAddr: r.String("LEEWARD_HEALTH_ADDR", "127.0.0.1:9101"),
		// Without a token nothing can be written; without a webhook secret that webhook is refused.
		apiToken: r.Secret("LEEWARD_API_TOKEN"),
		secrets: hook.Secrets{
			Distribution: r.Secret("LEEWARD_HOOK_DISTRIBUTION_SECRET"), DockerHub: r.Secret("LEEWARD_HOOK_DOCKERHUB_SECRET"),
			GitHub: r.Secret("LEEWARD_HOOK_GITHUB_SECRET"), Alertmanager: r.Secret("LEEWARD_HOOK_ALERTMANAGER_SECRET"), Grafana: r.Secret("LEEWARD_HOOK_GRAFANA_SECRET"),
			Pingdom: r.Secret("LEEWARD_HOOK_PINGDOM_SECRET"), NewRelic: r.Secret("LEEWARD_HOOK_NEWRELIC_SECRET"),
			Dynatrace: r.Secret("LEEWARD_HOOK_DYNATRACE_SECRET"), Datadog: r.Secret("LEEWARD_HOOK_DATADOG_SECRET"),
		},
		instance:       r.String("LEEWARD_INSTANCE", fmt.Sprintf("%s-%d", host, os.Getpid())),
		reconcileEvery: r.Duration("LEEWARD_RECONCILE_INTERVAL", 5*time.Minute),
	}
	c.simulated = r.Getenv("LEEWARD_SIMULATED") == "true"
	return c, r.Err()
}
