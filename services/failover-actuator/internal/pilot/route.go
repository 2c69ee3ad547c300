package pilot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/fence"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/target"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

// load reads what the app's last pilot left: its plans and its route. An app without a route gets one.
func (p *Pilot) load(ctx context.Context) error {
	if err := p.Mirrors.Ready(); err != nil {
		return err
	}
	p.plans, p.incidents, p.unread = map[string]schemas.Plan{}, map[string]*incident{}, map[string]bool{}
	for _, e := range p.Mirrors.Plans.All() {
		if e.Value.App == p.App && e.Value.State != schemas.PlanPreviewed {
			p.plans[e.Value.ID] = e.Value
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	book, err := fence.Open(ctx, p.Bus, p.App)
	if errors.Is(err, bus.ErrNotFound) {
		err = p.adopt(ctx, book)
	}
	p.book = book
	return err
}

// adopt writes the app's first route: to where all targets send everything now, or else to the app's start. Targets that can not be read are waited for:
// guessing could move traffic. The epoch is above that of every plan there is.
func (p *Pilot) adopt(ctx context.Context, book *fence.Book) error {
	_, app, err := p.app()
	if err != nil {
		return err
	}
	active, err := found(ctx, app)
	if err != nil {
		return fmt.Errorf("read where traffic is: %w", err)
	}
	var highest schemas.Epoch
	for _, plan := range p.plans {
		if plan.Epoch.Compare(highest) > 0 {
			highest = plan.Epoch
		}
	}
	if err := p.allowed(); err != nil {
		return err
	}
	p.Log.Info().Str("active", active.String()).Msg("first route found")
	return book.Write(ctx, schemas.Route{App: p.App, Active: active, Epoch: highest.Next(), Since: time.Now()})
}

func found(ctx context.Context, app schemas.App) (schemas.Candidate, error) {
	targets, err := target.Of(app)
	if err != nil {
		return app.Start, err
	}
	active := app.Start
	for n, t := range targets {
		set, err := t.Read(ctx)
		if err != nil {
			return app.Start, err
		}
		sole, ok := set.Sole()
		if !ok || n > 0 && sole != active {
			return app.Start, nil
		}
		active = sole
	}
	return active, nil
}

// follow takes over a route that is newer than the one in memory.
func (p *Pilot) follow() {
	if e, ok := p.Mirrors.Routes.Get(p.App); ok && p.book.Follow(e) {
		p.Log.Warn().Uint64("epoch", e.Value.Epoch.N).Str("active", e.Value.Active.String()).Msg("route written by someone else")
	}
	p.Meter.route(p.book.Route())
}

// allowed returns why this process may not act, or nil.
func (p *Pilot) allowed() error {
	if !p.Lease.Held() {
		return ErrElsewhere
	}
	return nil
}

// settle gives targets the route's weights again where they have others, such as after a restart that lost them.
func (p *Pilot) settle(ctx context.Context) {
	_, app, err := p.app()
	if err != nil || app.Mode != "auto" {
		p.fault(err)
		return
	}
	targets, err := target.Of(app)
	if err != nil {
		p.Log.Warn().Err(err).Msg("targets unknown")
		return
	}
	want := weight.All(p.book.Route().Active)
	var problems []error
	for _, t := range targets {
		problems = append(problems, p.settleTarget(ctx, t, want))
	}
	p.fault(errors.Join(problems...))
}

// settleTarget gives one target the route's weights, and returns why it could not be.
func (p *Pilot) settleTarget(ctx context.Context, t target.Target, want weight.Set) error {
	log := p.Log.With().Str("target", t.Name()).Logger()
	seen, err := t.Read(ctx)
	if err != nil {
		if !p.unread[t.Name()] {
			log.Warn().Err(err).Msg("target unreadable")
		}
		p.unread[t.Name()] = true
		return fmt.Errorf("target %s can not be read: %w", t.Name(), err)
	}
	delete(p.unread, t.Name())
	drifted := !seen.Equal(want) && p.allowed() == nil
	p.Meter.looked(p.App, t.Name(), drifted)
	if !drifted {
		return nil
	}
	outcome, err := t.Apply(ctx, target.Change{Epoch: p.book.Route().Epoch, Expected: seen, Next: want})
	log.Warn().Err(err).Str("found", seen.String()).Str("set", want.String()).Str("outcome", string(outcome)).Msg("drift corrected")
	if err != nil {
		return fmt.Errorf("target %s sends traffic to %s, the route is %s: %w", t.Name(), seen, want, err)
	}
	return nil
}
