package refresh

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// world is a topology with what all rankings under it need, made once: with hundreds of apps it is large.
type world struct {
	schemas.Topology
	hash, declared string
	// custom are the apps' own gates.
	custom map[string]celgate.Set
}

func newWorld(t schemas.Topology) world {
	w := world{Topology: t, hash: t.Hash(), declared: t.Declared().Hash(), custom: map[string]celgate.Set{}}
	for _, app := range t.Apps {
		w.custom[app.Name] = celgate.Compile(app.Gates.Custom)
	}
	return w
}

// inputs are those of an app's ranking, still without cells.
func (w world) inputs(app schemas.App, end time.Time) rank.Inputs {
	in := rank.NewInputs(app, w.hash, end).Aligned()
	in.Declared = w.declared
	return in
}
