// Package fence keeps an app's route on the bus, whose epoch decides who of two actuators may act: it is only ever written over the revision that was read.
package fence

import (
	"context"
	"errors"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// ErrSuperseded says that the app has moved on: the epoch that was wanted is taken or passed.
var ErrSuperseded = errors.New("the app has a later epoch")

// Book is an app's route as it was last read or written.
type Book struct {
	bus   *bus.Bus
	app   string
	entry bus.Entry[schemas.Route]
}

// Open reads an app's route; bus.ErrNotFound, and a book to write the first one in, when there is none.
func Open(ctx context.Context, b *bus.Bus, app string) (*Book, error) {
	book := &Book{bus: b, app: app}
	return book, book.read(ctx)
}

func (b *Book) read(ctx context.Context) (err error) {
	b.entry, err = bus.Get(ctx, b.bus, schemas.RouteBucket, b.app)
	return err
}

// Route is the route as it was last read or written.
func (b *Book) Route() schemas.Route { return b.entry.Value }

// Write writes a route over the one that was last seen; bus.ErrConflict when someone wrote since.
func (b *Book) Write(ctx context.Context, r schemas.Route) error {
	revision, err := bus.Put(ctx, b.bus, schemas.RouteBucket, r, bus.Condition{Revision: bus.At(b.entry.Revision)})
	if err == nil {
		b.entry = bus.Entry[schemas.Route]{Value: r, Revision: revision}
	}
	return err
}

// Follow takes over a route that is newer than the one last seen, and says whether it is.
func (b *Book) Follow(e bus.Entry[schemas.Route]) bool {
	newer := e.Revision > b.entry.Revision
	if newer {
		b.entry = e
	}
	return newer
}

// Claim makes a plan's epoch the app's, with traffic meant for a candidate. Claiming what the plan holds looks on the bus whether it still does.
func (b *Book) Claim(ctx context.Context, plan schemas.Plan, active schemas.Candidate) error {
	if !b.holds(plan) {
		if b.Route().Epoch.Compare(plan.Epoch) >= 0 {
			return ErrSuperseded
		}
		err := b.Write(ctx, schemas.Route{App: b.app, Active: active, Epoch: plan.Epoch, Plan: plan.ID, Since: time.Now()})
		if !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
	if err := b.read(ctx); err != nil {
		return err
	}
	if !b.holds(plan) {
		return ErrSuperseded
	}
	return nil
}

// holds says whether the plan's epoch is the app's.
func (b *Book) holds(plan schemas.Plan) bool {
	r := b.Route()
	return r.Plan == plan.ID && r.Epoch == plan.Epoch
}
