package gate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

func TestCandidateMustCarryTheMeasuredLoadWithHeadroom(t *testing.T) {
	app := shop
	app.Gates.Headroom = 1.2
	measured := func(rps float64, age time.Duration) schemas.Load {
		return schemas.Load{App: "shop", RequestsPerSecond: rps, At: now.Add(-age)}
	}
	const s = time.Second
	for _, c := range []struct {
		what     string
		capacity float64
		load     schemas.Load
		want     schemas.Gate
	}{
		{"enough", 1000, measured(800, s), schemas.Gate{Result: schemas.Pass, Evidence: "1000 requests/s declared, 960.0 needed: 800.0 measured × 1.2", Value: "1000 requests/s", Threshold: "960 requests/s", EvidenceAt: now.Add(-s)}},
		{"just enough", 960, measured(800, s), schemas.Gate{Result: schemas.Pass, Evidence: "960 requests/s declared, 960.0 needed: 800.0 measured × 1.2", Value: "960 requests/s", Threshold: "960 requests/s", EvidenceAt: now.Add(-s)}},
		{"too little", 959.9, measured(800, s), schemas.Gate{Result: schemas.Fail, Evidence: "959.9 requests/s declared, 960.0 needed: 800.0 measured × 1.2", Value: "959.9 requests/s", Threshold: "960 requests/s", EvidenceAt: now.Add(-s)}},
		{"nobody asks", 1, measured(0, s), schemas.Gate{Result: schemas.Pass, Evidence: "1 requests/s declared, 0.0 needed: 0.0 measured × 1.2", Value: "1 requests/s", Threshold: "0 requests/s", EvidenceAt: now.Add(-s)}},
		{"load too old", 1000, measured(1, 61*s), schemas.Gate{Result: schemas.Unknown, Evidence: "the measured load expired 1s ago", EvidenceAt: now.Add(-61 * s)}},
		{"load from the future", 1000, measured(1, -61*s), schemas.Gate{Result: schemas.Unknown, Evidence: "the measured load dated 1m1s ahead", EvidenceAt: now.Add(61 * s)}},
		{"load not measured", 1000, schemas.Load{}, schemas.Gate{Result: schemas.Unknown, Evidence: "the load has not been measured"}},
		{"nothing declared", 0, measured(1, s), schemas.Gate{Result: schemas.Unknown, Evidence: "the endpoint declares no capacity", EvidenceAt: now.Add(-s)}},
	} {
		t.Run(c.what, func(t *testing.T) {
			app.Endpoints = []schemas.Endpoint{{Region: "tokyo", Variant: "slim", Capacity: 1e6}, {Region: "london", Variant: "slim", Capacity: c.capacity}}
			c.want.Name = "capacity"
			if diff := cmp.Diff(c.want, gate.Capacity(app, slim, c.load, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
