package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/pkg/lease"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/state"
)

// Actor is who changes a topology here, in its index and its events.
const Actor = "discovery"

const (
	// damping is the least time between two changes of the topology: a source that changes its mind all the time must not have everyone switch all the time.
	damping = 5 * time.Second
	// leaseTTL is how long another gateway waits after the one that reads has died.
	leaseTTL = 6 * time.Second
	// shownEvery is how often a state is written that says nothing new but the time.
	shownEvery = 5 * time.Second
	// maxReasons is how many refusals a state tells in words.
	maxReasons = 20
)

// Discoverer keeps what apps discover in the topology.
type Discoverer struct {
	Bus   *bus.Bus
	State *state.State
	// Read looks at an entry.
	Read func(ctx context.Context, d schemas.Discovery) (Answer, error)
	// Gateway is this gateway, unlike any other and any earlier run of its own.
	Gateway string
	// Changed counts changes of the topology.
	Changed func()
	Log     zerolog.Logger

	mu sync.Mutex
	// named is when candidates were last named, by app, entry and candidate.
	named map[string]time.Time
	// changed is when the topology was last changed here.
	changed time.Time
}

// Run reads the entries while this gateway is the one that does, until ctx ends.
func (d *Discoverer) Run(ctx context.Context) error {
	keeper := lease.New(lease.Options{Bus: d.Bus, Bucket: schemas.GatewayLeaseBucket, Leases: d.State.Leases, Of: Actor, Holder: d.Gateway, TTL: leaseTTL, Log: d.Log})
	return keeper.While(ctx, d.follow)
}

// follow reads the entries of the accepted topology, and begins anew when a person changes it.
func (d *Discoverer) follow(ctx context.Context) error {
	running, stop := "", func() error { return nil }
	defer func() { _ = stop() }()
	for ctx.Err() == nil {
		changed := d.State.Topology.Changed()
		if t, _, err := d.State.Accepted(); err == nil && t.Declared().Hash() != running {
			_ = stop()
			running, stop = t.Declared().Hash(), d.start(ctx, t)
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// start reads every entry of a topology until stop is called.
func (d *Discoverer) start(ctx context.Context, t schemas.Topology) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	declared, known := t.Declared().Hash(), map[string]bool{}
	for _, a := range t.Apps {
		for _, entry := range a.Discover {
			known[schemas.KeyOf(a.Name, entry.Name)] = true
			g.Go(func() error { d.watch(ctx, declared, a.Name, entry); return nil })
		}
	}
	g.Go(func() error { d.forget(ctx, known); return nil })
	return func() error { cancel(); return g.Wait() }
}

// forget removes the states of entries that are no longer there.
func (d *Discoverer) forget(ctx context.Context, known map[string]bool) {
	for key, e := range d.State.Discoveries.All() {
		if known[key] {
			continue
		}
		if err := bus.Delete(ctx, d.Bus, schemas.DiscoveryBucket, e.Revision, e.Value.Key()...); err != nil && ctx.Err() == nil {
			d.Log.Warn().Err(err).Str("app", e.Value.App).Str("entry", e.Value.Name).Msg("state not removed")
		}
	}
}

// watch reads an entry again and again.
func (d *Discoverer) watch(ctx context.Context, declared, app string, entry schemas.Discovery) {
	last, _ := d.State.Discoveries.Get(app, entry.Name)
	shown := last.Value
	for ctx.Err() == nil {
		answer, err := d.Read(ctx, entry)
		if ctx.Err() != nil {
			return
		}
		now, settled := d.land(ctx, declared, app, entry, answer, err, shown)
		if now.App != "" && (news(shown, now) || now.At.Sub(shown.At) > shownEvery) {
			d.show(ctx, shown, now)
			shown = now
		}
		next := entry.Interval.D()
		if !settled {
			next = min(next, damping)
		}
		select {
		case <-ctx.Done():
		case <-time.After(next):
		}
	}
}

// news says whether a state tells more than that time goes by.
func news(before, now schemas.DiscoveryState) bool {
	return before.Place != now.Place || before.Gateway != now.Gateway || before.Topology != now.Topology || before.Trouble != now.Trouble || before.Targets != now.Targets ||
		before.Refused != now.Refused || !slices.Equal(before.Endpoints, now.Endpoints) || !slices.Equal(before.Kept, now.Kept) || !slices.Equal(before.Reasons, now.Reasons)
}

// show writes a state, and logs what is new about it.
func (d *Discoverer) show(ctx context.Context, before, now schemas.DiscoveryState) {
	log := d.Log.With().Str("app", now.App).Str("entry", now.Name).Str("place", now.Place).Logger()
	switch {
	case now.Trouble != "" && now.Trouble != before.Trouble:
		log.Warn().Str("why", now.Trouble).Msg("discovery in trouble")
	case now.Refused > 0 && !slices.Equal(now.Reasons, before.Reasons):
		log.Warn().Int("refused", now.Refused).Str("first", now.Reasons[0]).Msg("targets refused")
	case now.Trouble == "" && before.Trouble != "":
		log.Info().Msg("discovery out of trouble")
	}
	if _, err := bus.Put(ctx, d.Bus, schemas.DiscoveryBucket, now, bus.Condition{}); err != nil && ctx.Err() == nil {
		log.Warn().Err(err).Msg("state not written")
	}
}

// land puts what an entry found into the topology if that changes it, and says what came of the look, and whether the topology is now as it should be. It says nothing when the topology is
// another by now.
func (d *Discoverer) land(ctx context.Context, declared, app string, entry schemas.Discovery, answer Answer, trouble error, before schemas.DiscoveryState) (look schemas.DiscoveryState, settled bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, revision, err := d.State.Accepted()
	if err != nil || t.Declared().Hash() != declared {
		return look, false
	}
	next, look := d.put(t, app, entry, answer, trouble)
	if look.ReadAt.IsZero() {
		look.ReadAt, look.Targets = before.ReadAt, before.Targets
	}
	settled = next.Hash() == t.Hash()
	if !settled && time.Since(d.changed) >= damping {
		if err := d.replace(ctx, t, next, revision); err != nil {
			look.Trouble = err.Error()
		} else {
			t, settled = next, true
		}
	}
	a, _ := t.App(app)
	look.Topology, look.Endpoints = t.Hash(), nil
	for _, e := range a.FoundBy(entry.Name) {
		look.Endpoints = append(look.Endpoints, e.Candidate())
	}
	return look, settled
}

// replace makes next the topology.
func (d *Discoverer) replace(ctx context.Context, t, next schemas.Topology, revision uint64) error {
	if problems := config.Check(next); len(problems) > 0 {
		return fmt.Errorf("what it found would make a topology with problems: %s", problems[0].Message)
	}
	if err := state.Fit(next); err != nil {
		return err
	}
	if err := d.State.Replace(ctx, next, Actor, t.Hash(), revision); err != nil && !errors.Is(err, state.ErrUntold) {
		return fmt.Errorf("the topology could not be changed, which is tried again: %w", err)
	}
	d.changed = time.Now()
	d.Changed()
	d.Log.Info().Str("topology", next.Hash()).Str("previous", t.Hash()).Msg("topology changed by discovery")
	return nil
}

// put gives an app of a topology what an entry of it found, and says what came of the look.
func (d *Discoverer) put(t schemas.Topology, app string, entry schemas.Discovery, answer Answer, trouble error) (schemas.Topology, schemas.DiscoveryState) {
	now := time.Now()
	look := schemas.DiscoveryState{App: app, Name: entry.Name, Place: Place(entry), Gateway: d.Gateway, At: now}
	i := slices.IndexFunc(t.Apps, func(a schemas.App) bool { return a.Name == app })
	a := t.Apps[i]
	c := choice{endpoints: a.FoundBy(entry.Name)}
	if trouble == nil {
		c = choose(t, a, entry, answer, func(c schemas.Candidate) bool { return d.stays(a, entry, c, now) })
		trouble = nothing(answer, c)
	}
	switch {
	case trouble != nil:
		look.Trouble = trouble.Error()
	default:
		look.ReadAt, look.Targets = now, len(answer.Targets)
	}
	for _, e := range c.endpoints {
		look.Endpoints = append(look.Endpoints, e.Candidate())
		if !slices.Contains(c.kept, e.Candidate()) && trouble == nil {
			d.note(a, entry, e.Candidate(), now)
		}
	}
	look.Kept, look.Refused, look.Reasons = c.kept, len(c.refused), c.refused[:min(maxReasons, len(c.refused))]
	t.Apps = slices.Clone(t.Apps)
	t.Apps[i] = found(a, entry, c.endpoints)
	return t, look
}

// nothing is why an answer is not taken for one, nil when it is: what names nothing at all may be a source that has lost its own.
func nothing(answer Answer, c choice) error {
	switch {
	case len(answer.Targets) == 0:
		return errors.New("it names no target; what it named last stays")
	case len(c.kept) == len(c.endpoints):
		return fmt.Errorf("none of its %d targets can be used; what it named last stays", len(answer.Targets))
	}
	return nil
}

// stays says whether a candidate that is no longer named stays: for a while, and for good where the app starts or its traffic is. That region may just have been lost, and to stop
// measuring it would hide that.
func (d *Discoverer) stays(a schemas.App, entry schemas.Discovery, c schemas.Candidate, now time.Time) bool {
	if route, ok := d.State.Routes.Get(a.Name); c == a.Start || ok && c == route.Value.Active {
		return true
	}
	last, ok := d.named[of(a, entry, c)]
	if !ok {
		d.note(a, entry, c, now)
	}
	return !ok || now.Sub(last) < entry.Keep.D()
}

func (d *Discoverer) note(a schemas.App, entry schemas.Discovery, c schemas.Candidate, at time.Time) {
	if d.named == nil {
		d.named = map[string]time.Time{}
	}
	d.named[of(a, entry, c)] = at
}

func of(a schemas.App, entry schemas.Discovery, c schemas.Candidate) string {
	return schemas.KeyOf(a.Name, entry.Name, c.Region, c.Variant)
}

// Fill adds to a topology that is to be applied what its entries find now, and what those found before that find nothing now.
func (d *Discoverer) Fill(ctx context.Context, next schemas.Topology) (schemas.Topology, []schemas.DiscoveryState) {
	answers := d.readAll(ctx, next)
	d.mu.Lock()
	defer d.mu.Unlock()
	before, _, _ := d.State.Accepted() // without one nothing was found before
	next = carry(before, next)
	var looks []schemas.DiscoveryState
	for _, a := range next.Apps {
		for _, entry := range a.Discover {
			answer := answers[schemas.KeyOf(a.Name, entry.Name)]
			var look schemas.DiscoveryState
			next, look = d.put(next, a.Name, entry, answer.Answer, answer.err)
			looks = append(looks, look)
		}
	}
	return next, looks
}

// result is what a look brought, or why it brought nothing.
type result struct {
	Answer
	err error
}

// readAll looks at every entry of a topology at once.
func (d *Discoverer) readAll(ctx context.Context, t schemas.Topology) map[string]result {
	var mu sync.Mutex
	var g errgroup.Group
	all := map[string]result{}
	for _, a := range t.Apps {
		for _, entry := range a.Discover {
			g.Go(func() error {
				answer, err := d.Read(ctx, entry)
				mu.Lock()
				defer mu.Unlock()
				all[schemas.KeyOf(a.Name, entry.Name)] = result{answer, err}
				return nil
			})
		}
	}
	_ = g.Wait()
	return all
}
