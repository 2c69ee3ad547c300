package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// primary is the primary's clock, which is an hour behind the vantages': no two clocks are compared.
func primary(second float64) time.Time {
	return now.Add(-time.Hour).Add(time.Duration(second * float64(time.Second)))
}

// knows is a verdict on london of a vantage to which the primary acknowledged a heartbeat at a second, and which found one of another second in the replica, ages ago.
func knows(vantage string, acknowledged, replayed float64, written, read time.Duration) schemas.Verdict {
	beat := func(second float64, age time.Duration) schemas.Heartbeat {
		if second == 0 {
			return schemas.Heartbeat{}
		}
		return schemas.Heartbeat{At: primary(second), Token: int64(1000 + 100*second), SeenAt: now.Add(-age)}
	}
	return schemas.Verdict{Vantage: vantage, App: "shop", Region: "london", Replication: &schemas.Replication{Acknowledged: beat(acknowledged, written), Replayed: beat(replayed, read)}}
}

func TestReplicaMustBeCloseBehindTheLastAcknowledgedWrite(t *testing.T) {
	app := shop
	app.Gates.RPO = schemas.Duration(2 * time.Second)
	const s = time.Second
	behind := func(seconds string) string {
		return seconds + " s behind the last write the primary acknowledged, at most 2s allowed"
	}
	elsewhere := knows("madrid", 60, 60, s, s)
	elsewhere.Region = "tokyo"
	another := knows("madrid", 90, 10, s, s)
	another.App = "blog"
	steps := knows("madrid", 50, 50, s, s)
	steps.Replication.Acknowledged.At, steps.Replication.Acknowledged.Token = primary(41), 9000 // written later, by a clock set back nine seconds
	empty := knows("madrid", 50, 0, s, s)
	empty.Replication.Replayed.SeenAt = now
	home := knows("madrid", 50, 49, s, s)
	home.Region = "frankfurt"
	app.PrimaryDatabase = "env:FRANKFURT"
	app.Endpoints = []schemas.Endpoint{{Region: "london", Database: "env:LONDON"}, {Region: "frankfurt", Database: "env:FRANKFURT"}}
	if g := gate.Replicated(app, "frankfurt", []schemas.Verdict{home}, now); g.Result != schemas.Pass || g.Evidence != "the region's database is the primary" {
		t.Errorf("the primary itself: %s (%s)", g.Result, g.Evidence)
	}
	home.Replication.Replayed.SeenAt = now.Add(-9 * s)
	if g := gate.Replicated(app, "frankfurt", []schemas.Verdict{home}, now); g.Result != schemas.Unknown {
		t.Errorf("the primary itself, silent: %s (%s)", g.Result, g.Evidence)
	}
	for name, c := range map[string]struct {
		verdicts []schemas.Verdict
		want     schemas.Gate
	}{
		"holds all":                {[]schemas.Verdict{knows("madrid", 50, 50, s, s)}, schemas.Gate{Result: schemas.Pass, Evidence: behind("0.00"), Value: "0 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"a little behind":          {[]schemas.Verdict{knows("madrid", 50, 49.7, s, s)}, schemas.Gate{Result: schemas.Pass, Evidence: behind("0.30"), Value: "0.3 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"as far as allowed":        {[]schemas.Verdict{knows("madrid", 50, 48, s, s)}, schemas.Gate{Result: schemas.Pass, Evidence: behind("2.00"), Value: "2 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"further":                  {[]schemas.Verdict{knows("madrid", 50, 47.99, s, s)}, schemas.Gate{Result: schemas.Fail, Evidence: behind("2.01"), Value: "2.01 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"another app":              {[]schemas.Verdict{knows("madrid", 50, 50, s, s), another}, schemas.Gate{Result: schemas.Pass, Evidence: behind("0.00"), Value: "0 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"a write told elsewhere":   {[]schemas.Verdict{knows("madrid", 50, 50, s, s), elsewhere}, schemas.Gate{Result: schemas.Fail, Evidence: behind("10.00"), Value: "10 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"cut off from the primary": {[]schemas.Verdict{knows("madrid", 50, 44, s, s), knows("tokyo", 40, 44, 10*s, 0)}, schemas.Gate{Result: schemas.Fail, Evidence: behind("6.00"), Value: "6 s", Threshold: "2 s", EvidenceAt: now}},
		"cut off from the replica": {[]schemas.Verdict{knows("tokyo", 50, 30, s, 10*s), knows("madrid", 49, 50, s, s)}, schemas.Gate{Result: schemas.Pass, Evidence: behind("0.00"), Value: "0 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"primary gone": {[]schemas.Verdict{knows("madrid", 50, 49.5, 60*s, s), knows("tokyo", 49, 49.5, 61*s, s)},
			schemas.Gate{Result: schemas.Pass, Evidence: behind("0.50") + "; the primary has acknowledged none for 1m0s", Value: "0.5 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"primary gone, replica was behind": {[]schemas.Verdict{knows("madrid", 50, 45, 60*s, s)},
			schemas.Gate{Result: schemas.Fail, Evidence: behind("5.00") + "; the primary has acknowledged none for 1m0s", Value: "5 s", Threshold: "2 s", EvidenceAt: now.Add(-s)}},
		"replica gone": {[]schemas.Verdict{knows("madrid", 50, 50, s, 9*s), knows("tokyo", 50, 50, s, 12*s)},
			schemas.Gate{Result: schemas.Unknown, Evidence: "the region's database has not answered for 9s", EvidenceAt: now.Add(-9 * s)}},
		"replica never seen":   {[]schemas.Verdict{knows("madrid", 50, 0, s, s)}, schemas.Gate{Result: schemas.Unknown, Evidence: "the region's database has not answered yet"}},
		"nothing acknowledged": {[]schemas.Verdict{knows("madrid", 0, 50, s, s)}, schemas.Gate{Result: schemas.Unknown, Evidence: "no vantage knows a write that the primary acknowledged", EvidenceAt: now.Add(-s)}},
		"clock set back":       {[]schemas.Verdict{steps}, schemas.Gate{Result: schemas.Unknown, Evidence: "the primary's clock was set back after what the region's database holds", EvidenceAt: now.Add(-s)}},
		"no heartbeat in it":   {[]schemas.Verdict{empty}, schemas.Gate{Result: schemas.Unknown, Evidence: "the region's database holds no heartbeat: does it follow the primary?", EvidenceAt: now}},
		"no primary":           {[]schemas.Verdict{{Vantage: "madrid", App: "shop", Region: "london"}}, schemas.Gate{Result: schemas.Unknown, Evidence: "the region's database has not answered yet"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			c.want.Name = "replication"
			if diff := cmp.Diff(c.want, gate.Replicated(app, "london", c.verdicts, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
