package discover_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/discover"
)

// TestMetricsAreInTheReference gathers them where nothing is discovered, as where most people first look.
func TestMetricsAreInTheReference(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	discover.Metrics(registry, bus.NewMirror(nil, schemas.DiscoveryBucket))()
	families, err := registry.Gather()
	if err != nil || len(families) != 6 {
		t.Fatalf("%d metrics, %v; want 6", len(families), err)
	}
	for _, f := range families {
		row := fmt.Sprintf("| `%s` | %s |  | gateway | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), f.GetHelp())
		if !strings.Contains(string(page), row) {
			t.Errorf("the reference lacks %s", row)
		}
	}
}
