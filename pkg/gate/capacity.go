package gate

import (
	"fmt"
	"math"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// loadLife is how long a measured load is believed. It is measured every ten seconds.
const loadLife = time.Minute

const perSecond = "requests/s"

// Capacity is the gate that a candidate can serve the load that the app's targets are asked for, with headroom. A load that is not measured any more is unknown.
func Capacity(app schemas.App, c schemas.Candidate, load schemas.Load, now time.Time) schemas.Gate {
	g := schemas.Gate{Name: Headroom, Result: schemas.Unknown, EvidenceAt: load.At}
	e, _ := app.Endpoint(c)
	switch {
	case e.Capacity <= 0:
		g.Evidence = "the endpoint declares no capacity"
		return g
	case load.At.IsZero():
		g.Evidence = "the load has not been measured"
		return g
	}
	if why := aged(load.At, now, loadLife); why != "" {
		g.Evidence = "the measured load " + why
		return g
	}
	needed := load.RequestsPerSecond * app.Gates.Headroom
	g.Result = schemas.Fail
	if e.Capacity >= needed {
		g.Result = schemas.Pass
	}
	g.Value, g.Threshold = Quantity(e.Capacity, perSecond), Quantity(math.Round(needed*1000)/1000, perSecond)
	g.Evidence = fmt.Sprintf("%s requests/s declared, %.1f needed: %.1f measured × %s", number(e.Capacity), needed, load.RequestsPerSecond, number(app.Gates.Headroom))
	return g
}
