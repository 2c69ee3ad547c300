package prober_test

import (
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/services/prober"
)

func TestEverythingThatIsWrongWithTheSettingsIsToldAtOnce(t *testing.T) {
	wrong := map[string]string{
		"LEEWARD_VANTAGE": "Bad Name", "LEEWARD_PROBE_PROXY": "x", "LEEWARD_PROBE_CHECKS": "relative", "LEEWARD_PROBE_ALLOW": "10.0.0.1", "LEEWARD_PROBE_RATE": "-1", "LEEWARD_SPOOL_MIB": "0",
	}
	err := prober.Run(t.Context(), daemon.Process{Getenv: func(name string) string { return wrong[name] }})
	if err == nil {
		t.Fatal("it runs")
	}
	for _, want := range []string{
		"LEEWARD_NATS_URL: not set", "LEEWARD_NATS_SEED: not set", `LEEWARD_VANTAGE: "Bad Name" is not a name`, `LEEWARD_PROBE_PROXY: "x" is not host:port`,
		`LEEWARD_PROBE_CHECKS: "relative" is not an absolute path`, `LEEWARD_PROBE_ALLOW: "10.0.0.1" is not a range`, "LEEWARD_PROBE_RATE: -1 is negative", "LEEWARD_SPOOL_MIB: 0 is less than 1",
	} {
		if n := strings.Count(err.Error(), want); n != 1 {
			t.Errorf("%q is told %d times in\n%v", want, n, err)
		}
	}
	wrong["LEEWARD_SPOOL_MIB"] = "much"
	if err := prober.Run(t.Context(), daemon.Process{Getenv: func(name string) string { return wrong[name] }}); strings.Count(err.Error(), "LEEWARD_SPOOL_MIB") != 1 {
		t.Errorf("what is no number is told of otherwise than once:\n%v", err)
	}
}
