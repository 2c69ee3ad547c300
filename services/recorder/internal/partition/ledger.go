package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// The states of an intent.
const (
	before = "before"
	after  = "after"
)

// ErrOvertaken says that another recorder writes the partition.
var ErrOvertaken = errors.New("another recorder writes this partition")

// ledger is the partition's intent in the bucket. Its revision is the right to write the next one, so at most one recorder has it.
type ledger struct {
	bus       *bus.Bus
	partition string
	intent    schemas.InsertIntent
	revision  uint64
	unfenced  bool
}

// read takes the intent as it stands, or none.
func (l *ledger) read(ctx context.Context) error {
	e, err := bus.Get(ctx, l.bus, schemas.IntentBucket, l.partition)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	l.intent, l.revision = e.Value, e.Revision
	return nil
}

// write replaces the intent that was last read or written. It may be called again after an error that left it open whether the intent was stored.
func (l *ledger) write(ctx context.Context, intent schemas.InsertIntent) error {
	condition := bus.Condition{Revision: bus.At(l.revision)}
	if l.unfenced {
		condition = bus.Condition{}
	}
	revision, err := bus.Put(ctx, l.bus, schemas.IntentBucket, intent, condition)
	if errors.Is(err, bus.ErrConflict) {
		revision, err = l.stored(ctx, intent)
	}
	if err != nil {
		return err
	}
	l.intent, l.revision = intent, revision
	return nil
}

// stored finds out whether the write that was in the way was the same one, whose answer was lost.
func (l *ledger) stored(ctx context.Context, intent schemas.InsertIntent) (revision uint64, err error) {
	e, err := bus.Get(ctx, l.bus, schemas.IntentBucket, l.partition)
	if err != nil {
		return 0, err
	}
	if e.Value.Owner != intent.Owner || e.Value.State != intent.State || e.Value.Token() != intent.Token() {
		return 0, fmt.Errorf("%s: %w: %s", l.partition, ErrOvertaken, e.Value.Owner)
	}
	return e.Revision, nil
}

// held makes sure that nobody else has written the intent since.
func (l *ledger) held(ctx context.Context) error {
	e, err := bus.Get(ctx, l.bus, schemas.IntentBucket, l.partition)
	if err != nil {
		return err
	}
	if e.Revision != l.revision && !l.unfenced {
		return fmt.Errorf("%s: %w: %s", l.partition, ErrOvertaken, e.Value.Owner)
	}
	return nil
}
