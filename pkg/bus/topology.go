package bus

import (
	"context"

	"github.com/leeward-failover/leeward/schemas"
)

// Topologies follows the accepted topology and calls apply with each whole one, the first as soon as there is one. apply runs to its end before the next.
func Topologies(ctx context.Context, m *Mirror[schemas.TopologyPart], apply func(context.Context, schemas.Topology) error) error {
	running := ""
	for {
		changed := m.Changed()
		if t, err := CurrentTopology(m); err == nil && t.Hash() != running {
			if err := apply(ctx, t); err != nil {
				return err
			}
			running = t.Hash()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// CurrentTopology puts the topology together from its mirror; schemas.ErrTorn when there is none or it is being written.
func CurrentTopology(m *Mirror[schemas.TopologyPart]) (schemas.Topology, error) {
	parts := map[string]schemas.TopologyPart{}
	for key, e := range m.All() {
		parts[key] = e.Value
	}
	return schemas.Assemble(parts)
}
