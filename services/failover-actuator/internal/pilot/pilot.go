// Package pilot stands over one app: it holds the app's lease, hears alerts, requests and verdicts, and carries out what package decide decides.
// One goroutine does one thing at a time, so that an app never has two failovers at once.
package pilot

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/lease"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/fence"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/outbox"
)

// Options say which app a pilot stands over, and with what.
type Options struct {
	App     string
	Bus     *bus.Bus
	Mirrors *Mirrors
	// Topology returns the topology that runs.
	Topology func() schemas.Topology
	Lease    *lease.Keeper
	Outbox   *outbox.Box
	Meter    *Meter
	Log      zerolog.Logger
}

// Pilot stands over one app.
type Pilot struct {
	Options

	calls chan call
	gone  chan struct{}
	// problem is why the pilot can not do its work, for readiness.
	problem atomic.Pointer[string]

	// What follows belongs to the goroutine of Run.

	book      *fence.Book
	plans     map[string]schemas.Plan
	incidents map[string]*incident
	unread    map[string]bool
}

// New makes a pilot that stands over its app once Run is called.
func New(o Options) *Pilot {
	return &Pilot{Options: o, calls: make(chan call), gone: make(chan struct{})}
}

// settleEvery is how often a pilot looks whether targets still have the weights of the route.
const settleEvery = 2 * time.Second

var (
	// ErrElsewhere says that another actuator, or nobody, stands over the app at the moment.
	ErrElsewhere = errors.New("this actuator does not hold the app's lease")
	errRemoved   = errors.New("the app is not in the topology")
)

// Run stands over the app until ctx ends. The lease is given back only after the last act.
func (p *Pilot) Run(ctx context.Context) error {
	defer close(p.gone)
	p.Meter.begin(p.App)
	defer p.Meter.forget(p.App)
	keeping, release := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return p.Lease.Run(keeping) })
	g.Go(func() error { return p.measure(keeping) })
	err := p.stand(ctx)
	release()
	_ = g.Wait()
	return err
}

// stand watches whenever the lease is held.
func (p *Pilot) stand(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := p.Lease.Changed()
		if !p.Lease.Held() {
			p.Meter.held(p.App, false)
			select {
			case <-changed:
			case c := <-p.calls:
				c.done <- ErrElsewhere
			case <-ctx.Done():
			}
			continue
		}
		p.Meter.held(p.App, true)
		err := p.watch(ctx)
		p.drop()
		if ctx.Err() == nil {
			p.fault(err)
			p.Log.Warn().Err(err).Msg("watch interrupted")
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	return ctx.Err()
}

// watch looks and acts until the lease is lost or something could not be recorded.
func (p *Pilot) watch(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	p.retell()
	p.fault(nil)
	p.Log.Info().Str("active", p.book.Route().Active.String()).Uint64("epoch", p.book.Route().Epoch.N).Msg("watch began")
	settle := time.NewTicker(settleEvery)
	defer settle.Stop()
	for planned := true; ; {
		wake, lost := p.Mirrors.changes(), p.Lease.Changed()
		if !p.Lease.Held() {
			return ErrElsewhere
		}
		if planned {
			if err := p.resume(ctx); err != nil {
				return err
			}
		}
		again, err := p.consider(ctx)
		if err != nil {
			return err
		}
		planned = false
		select {
		case <-wake.plans:
			planned = true
		case <-wake.verdicts:
		case <-wake.vantages:
		case <-wake.rankings:
		case <-wake.images:
		case <-wake.routes:
		case <-lost:
		case <-time.After(again):
		case <-settle.C:
			p.settle(ctx)
			p.prune(ctx)
		case c := <-p.calls:
			if err := p.accept(ctx, c); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ready returns why the pilot can not do its work now, or nil. Waiting for the lease is work.
func (p *Pilot) Ready() error {
	if problem := p.problem.Load(); problem != nil {
		return errors.New("app " + p.App + ": " + *problem)
	}
	return nil
}

func (p *Pilot) fault(err error) {
	if err == nil || errors.Is(err, ErrElsewhere) {
		p.problem.Store(nil)
		return
	}
	text := err.Error()
	p.problem.Store(&text)
}

// app returns the app as the running topology has it.
func (p *Pilot) app() (schemas.Topology, schemas.App, error) {
	t := p.Topology()
	app, ok := t.App(p.App)
	if !ok {
		return t, app, errRemoved
	}
	return t, app, nil
}
