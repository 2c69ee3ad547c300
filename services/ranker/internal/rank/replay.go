package rank

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Replay computes what the ranking of stored inputs would have been under another app's objective, gates and quorum, after a ranking that was replayed before it.
// Without one it follows what was really published.
func Replay(stored json.RawMessage, policy schemas.App, before schemas.Ranking) (schemas.Ranking, error) {
	d, err := read(stored)
	if err != nil {
		return schemas.Ranking{}, err
	}
	app := d.World.App
	app.Objective, app.Gates, app.Failover = policy.Objective, policy.Gates, policy.Failover
	if err := d.answers(policy.Probe.Timeout.D(), app); err != nil {
		return schemas.Ranking{}, fmt.Errorf("%s.%w", app.Name, err)
	}
	d.World.App = app
	if len(before.Orders) > 0 {
		d.State.Previous = before
		d.State = d.State.of(d.Inputs, d.World.topology())
	}
	return d.ranking()
}

// answers says what of a policy the stored inputs know nothing about.
func (d document) answers(timeout time.Duration, app schemas.App) error {
	window, timed := app.Objective.Window.D(), time.Duration(d.TimeoutUS)*time.Microsecond
	switch {
	case window != d.World.App.Objective.Window.D():
		return fmt.Errorf("objective.window: %s, but what is stored are samples of %s", window, d.World.App.Objective.Window.D())
	case timeout != timed:
		return fmt.Errorf("probe.timeout: %s, but what is stored was given up after %s", timeout, timed)
	case !Counts(d.World.App, app.Objective.Kind):
		return fmt.Errorf("objective.kind: %s, but what is stored block by block is %s", app.Objective.Kind, d.World.App.Objective.Kind)
	case writesCount(app) && !writesCount(d.World.App):
		return fmt.Errorf("objective.writes_per_request: %g, but no database writes are stored", app.Objective.WritesPerRequest)
	case app.Gates.MaxRTT > 0 && d.World.App.Gates.MaxRTT == 0:
		return fmt.Errorf("gates.max_rtt: %s, but no round trips are stored", app.Gates.MaxRTT)
	case app.Gates.Headroom > 0 && d.World.App.Gates.Headroom == 0:
		return fmt.Errorf("gates.headroom: %g, but no load is stored", app.Gates.Headroom)
	case weighed(app) && !weighed(d.World.App) && len(d.State.Load.Regions) == 0:
		return fmt.Errorf("objective.weights: %s, but no requests by region are stored", app.Objective.Weights)
	}
	return nil
}
