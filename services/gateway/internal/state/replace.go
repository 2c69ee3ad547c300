package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// ErrUntold says that a topology was replaced, and that its event could not be stored.
var ErrUntold = errors.New("the topology was applied, but its event could not be stored")

// Replace writes a topology's parts, the index last and only at the revision of the one before, and then removes the parts of that one; bus.ErrConflict when someone else was faster.
func (s *State) Replace(ctx context.Context, t schemas.Topology, actor, previous string, revision uint64) error {
	at := time.Now().UTC()
	replaced := s.Topology.All()
	for _, part := range t.Parts(actor, at) {
		condition := bus.Condition{}
		if part.Current != nil {
			condition.Revision = bus.At(revision)
		}
		if _, err := bus.Put(ctx, s.bus, schemas.TopologyBucket, part, condition); err != nil {
			return err
		}
	}
	event := schemas.TopologyChanged{Hash: t.Hash(), Previous: previous, Actor: actor, At: at}
	if err := bus.Publish(ctx, s.bus, schemas.TopologyChangedTopic, event); err != nil {
		return fmt.Errorf("%w: %w", ErrUntold, err)
	}
	s.forget(ctx, previous, replaced)
	return nil
}

// forget removes the parts of a topology that was replaced. A part's revision guards it against someone who applies that topology again right now; what stays behind is in nobody's way.
func (s *State) forget(ctx context.Context, hash string, parts map[string]bus.Entry[schemas.TopologyPart]) {
	for _, part := range parts {
		if part.Value.Current != nil || part.Value.Topology != hash {
			continue
		}
		if err := bus.Delete(ctx, s.bus, schemas.TopologyBucket, part.Revision, part.Value.Key()...); err != nil {
			s.log.Warn().Err(err).Str("topology", hash).Msg("replaced part not removed")
		}
	}
}

// Accepted is the accepted topology with the revision that guards its replacement; schemas.ErrTorn when there is none that is whole.
func (s *State) Accepted() (t schemas.Topology, revision uint64, err error) {
	entries := s.Topology.All()
	parts := map[string]schemas.TopologyPart{}
	for key, e := range entries {
		parts[key] = e.Value
	}
	t, err = schemas.Assemble(parts)
	return t, entries[schemas.CurrentKey].Revision, err
}
