package rank

import (
	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/schemas"
)

// custom are the gates that the app's owner wrote. They are compiled here where the caller has not done it once for the topology.
func (k known) custom(active string, c schemas.RankedCandidate) []schemas.Gate {
	region, _ := k.topology.Region(c.Region)
	from, _ := k.topology.Region(active)
	return k.own.Judge(celgate.Variables{Candidate: c, Region: region, Active: from})
}

// customGates are the compiled ones of the state, or else the app's.
func customGates(state State, app schemas.App) celgate.Set {
	if state.Custom != nil {
		return state.Custom
	}
	return celgate.Compile(app.Gates.Custom)
}
