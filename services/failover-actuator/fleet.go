package actuator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/lease"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/outbox"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/pilot"
)

// fleet keeps one pilot per app of the running topology and brings events to them.
type fleet struct {
	bus     *bus.Bus
	mirrors *pilot.Mirrors
	config  config
	holder  string
	outbox  *outbox.Box
	meter   *pilot.Meter
	log     zerolog.Logger

	topology atomic.Pointer[schemas.Topology]
	crew     sync.WaitGroup

	mu     sync.Mutex
	pilots map[string]member
	// turned is closed when a lease is won or lost.
	turned chan struct{}
}

// member is a pilot at work.
type member struct {
	*pilot.Pilot
	dismiss context.CancelFunc
}

func newFleet(c config, b *bus.Bus, m *pilot.Mirrors, proc daemon.Process) *fleet {
	return &fleet{
		bus: b, mirrors: m, config: c, log: proc.Log, outbox: outbox.New(proc.Log), meter: pilot.NewMeter(proc.Metrics),
		// Unlike that of any earlier run: a process that was killed and one that took its name are two holders.
		holder: c.instance + "/" + uuid.NewString()[:8],
		pilots: map[string]member{}, turned: make(chan struct{}),
	}
}

// Run follows the topology until ctx ends. What pilots said last is sent before it returns.
func (f *fleet) Run(ctx context.Context) error {
	sending, sent := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return f.outbox.Run(sending) })
	g.Go(func() error { return f.listen(ctx) })
	err := bus.Topologies(ctx, f.mirrors.Topology, f.apply)
	f.crew.Wait()
	sent()
	return errors.Join(err, g.Wait())
}

// apply makes a topology the running one: pilots of new apps begin, those of removed apps end.
func (f *fleet) apply(ctx context.Context, t schemas.Topology) error {
	f.topology.Store(&t)
	f.log.Info().Str("topology", t.Hash()).Int("apps", len(t.Apps)).Msg("topology applied")
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, m := range f.pilots {
		if _, ok := t.App(name); !ok {
			m.dismiss()
			delete(f.pilots, name)
		}
	}
	for _, app := range t.Apps {
		if _, ok := f.pilots[app.Name]; !ok {
			f.pilots[app.Name] = f.enlist(ctx, app.Name)
		}
	}
	return nil
}

// enlist starts an app's pilot; the lock is held.
func (f *fleet) enlist(ctx context.Context, app string) member {
	log := f.log.With().Str("app", app).Logger()
	keeper := lease.New(lease.Options{Bus: f.bus, Bucket: schemas.LeaseBucket, Leases: f.mirrors.Leases, Of: app, Holder: f.holder, TTL: f.config.lease, Turned: f.turn, Log: log})
	p := pilot.New(pilot.Options{
		App: app, Bus: f.bus, Mirrors: f.mirrors, Topology: func() schemas.Topology { return *f.topology.Load() },
		Lease: keeper, Outbox: f.outbox, Meter: f.meter, Log: log,
	})
	ctx, dismiss := context.WithCancel(ctx)
	f.crew.Go(func() { _ = p.Run(ctx) })
	return member{p, dismiss}
}

// turn wakes who waits for a lease to be won or lost.
func (f *fleet) turn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.turned)
	f.turned = make(chan struct{})
}

// acting says whether any app's lease is held, and returns a channel that is closed when that may have changed.
func (f *fleet) acting() (bool, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.pilots {
		if m.Lease.Held() {
			return true, f.turned
		}
	}
	return false, f.turned
}

// listen reads alerts and requests while this actuator may act for any app; one that only waits must not take them from the one that acts.
func (f *fleet) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		acting, turned := f.acting()
		reading, stop := context.WithCancel(ctx)
		var g errgroup.Group
		if acting {
			g.Go(func() error { return bus.ConsumeTogether(reading, f.bus, schemas.AlertReceivedTopic, "", f.alert) })
			g.Go(func() error {
				return bus.ConsumeTogether(reading, f.bus, schemas.FailoverRequestedTopic, "", f.request)
			})
		}
		for still := acting; still == acting && ctx.Err() == nil; {
			select {
			case <-turned:
			case <-ctx.Done():
			}
			still, turned = f.acting()
		}
		stop()
		_ = g.Wait()
	}
	return ctx.Err()
}

func (f *fleet) alert(ctx context.Context, e schemas.AlertReceived) error {
	if e.Status != "firing" || !e.Matched() {
		f.log.Info().Str("alert", e.Name).Str("status", e.Status).Str("app", e.App).Str("region", e.Region).Msg("alert passed over: not firing, or no app's region")
		return nil
	}
	p := f.pilot(e.App)
	if p == nil {
		f.log.Warn().Str("alert", e.Name).Str("app", e.App).Msg("alert passed over: no such app")
		return nil
	}
	return p.Alert(ctx, e)
}

func (f *fleet) request(ctx context.Context, e schemas.FailoverRequested) error {
	p := f.pilot(e.App)
	if p == nil {
		f.log.Warn().Str("request", e.Request).Str("app", e.App).Msg("request passed over: no such app")
		return nil
	}
	return p.Request(ctx, e)
}

func (f *fleet) pilot(app string) *pilot.Pilot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pilots[app].Pilot
}

// Ready returns why an app's pilot can not do its work, or nil.
func (f *fleet) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.topology.Load() == nil {
		return fmt.Errorf("no topology has been applied yet")
	}
	var problems []error
	for _, m := range f.pilots {
		problems = append(problems, m.Ready())
	}
	return errors.Join(problems...)
}
