package refresh

import (
	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/schemas"
)

// programs are the custom gates of a topology's apps, compiled once for the topology.
type programs struct {
	topology string
	sets     map[string]celgate.Set
}

// of returns an app's custom gates.
func (p *programs) of(app schemas.App, t schemas.Topology) celgate.Set {
	if hash := t.Hash(); p.topology != hash {
		p.topology, p.sets = hash, map[string]celgate.Set{}
	}
	set, known := p.sets[app.Name]
	if !known {
		set = celgate.Compile(app.Gates.Custom)
		p.sets[app.Name] = set
	}
	return set
}
