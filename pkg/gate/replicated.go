package gate

import (
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Replicated is the gate that a region's database is no further behind the last write that the primary acknowledged than the app's RPO: what would be
// lost if the primary died now, or was lost if it has.
//
// An acknowledgement is a fact that does not age, so the newest that any vantage has counts: one that is cut off from the primary knows an older one and
// changes nothing, and when the primary is gone they all stay. What a replica holds is believed only as long as a verdict is: one that does not answer is unknown.
func Replicated(app schemas.App, region string, verdicts []schemas.Verdict, now time.Time) schemas.Gate {
	var acknowledged, replayed, silent schemas.Heartbeat
	life := schemas.TimeToLive(app.Probe.Interval.D()) + grace
	for _, v := range verdicts {
		if v.App != app.Name || v.Replication == nil {
			continue
		}
		// By the clock, not by the token: after a promotion the new primary counts from where its copy was.
		if a := v.Replication.Acknowledged; a.Token != 0 && a.At.After(acknowledged.At) {
			acknowledged = a
		}
		r := v.Replication.Replayed
		switch {
		case v.Region != region || r.SeenAt.IsZero():
		case aged(r.SeenAt, now, life) != "":
			if r.SeenAt.After(silent.SeenAt) {
				silent = r
			}
		case replayed.SeenAt.IsZero() || r.Token > replayed.Token || r.Token == replayed.Token && r.SeenAt.After(replayed.SeenAt):
			replayed = r
		}
	}
	g := schemas.Gate{Name: Replication, Result: schemas.Unknown, EvidenceAt: replayed.SeenAt}
	lag, known := replayed.Behind(acknowledged)
	limit := app.Gates.RPO
	switch {
	case replayed.SeenAt.IsZero() && silent.SeenAt.IsZero():
		g.Evidence = "the region's database has not answered yet"
	case replayed.SeenAt.IsZero():
		g.EvidenceAt = silent.SeenAt
		g.Evidence = fmt.Sprintf("the region's database has not answered for %s", now.Sub(silent.SeenAt).Round(time.Second))
	case app.PrimaryDatabase != "" && app.Database(region) == app.PrimaryDatabase:
		g.Result, g.Evidence = schemas.Pass, "the region's database is the primary"
	case acknowledged.Token == 0:
		g.Evidence = "no vantage knows a write that the primary acknowledged"
	case replayed.Token == 0:
		g.Evidence = "the region's database holds no heartbeat: does it follow the primary?"
	case !known:
		g.Evidence = "the primary's clock was set back after what the region's database holds"
	default:
		g.Result = schemas.Fail
		if lag <= limit.D() {
			g.Result = schemas.Pass
		}
		g.Value, g.Threshold = Seconds(lag), Seconds(limit.D())
		g.Evidence = fmt.Sprintf("%.2f s behind the last write the primary acknowledged, at most %s allowed", lag.Seconds(), limit)
		if age := now.Sub(acknowledged.SeenAt); age > life {
			g.Evidence += fmt.Sprintf("; the primary has acknowledged none for %s", age.Round(time.Second))
		}
	}
	return g
}
