package refresh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
	"github.com/leeward-failover/leeward/services/ranker/internal/stats"
)

// patience is how long one app's refresh may take: a ClickHouse that hangs must not hold up the next app for ever.
const patience = 10 * time.Second

// soon is the least time between rankings that a turned gate asks for.
const soon = 500 * time.Millisecond

// Loop ranks every app of the topology each Interval, at once when the topology changes, and soon after a gate turned that turns within seconds. A ranking that tells
// nothing but what the published one does is not published before that has stood for a while.
// When ClickHouse does not answer, or has too few samples of everyone, the last good ranking stays where it is; it carries its own age.
type Loop struct {
	Interval time.Duration
	Mirrors  *Mirrors
	DB       *clickhouse.DB
	Bus      *bus.Bus
	Metrics  *Metrics
	Log      zerolog.Logger

	window    *stats.Window
	published map[string]schemas.Ranking
	// unsaved are the apps whose last ranking did not come everywhere.
	unsaved map[string]bool

	mu sync.Mutex
	// ranked is whether every app was tried once; failed is why an app, or ClickHouse when there is none, is not as it should be.
	ranked bool
	failed map[string]error
}

// Run ranks until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	l.window = stats.NewWindow(l.DB, l.Metrics.reread)
	l.published, l.unsaved = map[string]schemas.Ranking{}, map[string]bool{}
	if err := l.Mirrors.synced(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(l.Interval)
	defer ticker.Stop()
	var w world
	var looked time.Time
	var look <-chan time.Time
	// A change is waited for until it was seen: others may come at the same moment.
	changed, judged, ordered := l.Mirrors.topology.Changed(), l.Mirrors.verdicts.Changed(), l.Mirrors.overrides.Changed()
	for due, moved := true, true; ; {
		if moved {
			moved = false
			// A topology that is being written is not looked at before it is whole.
			if t, err := bus.CurrentTopology(l.Mirrors.topology); err == nil && t.Hash() != w.hash {
				w, due = newWorld(t), true
			}
		}
		if due {
			due = false
			l.rank(ctx, w)
			looked = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			due = true
		case <-changed:
			changed, moved = l.Mirrors.topology.Changed(), true
		case <-judged:
			judged, look = l.Mirrors.verdicts.Changed(), soonAfter(look, looked)
		case <-ordered:
			ordered, look = l.Mirrors.overrides.Changed(), soonAfter(look, looked)
		case <-look:
			look, looked = nil, time.Now()
			due = l.outdated(w)
		}
	}
}

// soonAfter is when to look for turned gates: as planned, or soon after it was looked last.
func soonAfter(planned <-chan time.Time, last time.Time) <-chan time.Time {
	if planned != nil {
		return planned
	}
	return time.After(soon - time.Since(last))
}

// outdated says whether a gate of an app's ranking has turned. An app that could not be ranked waits for its turn.
func (l *Loop) outdated(w world) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	states := l.Mirrors.states(w.Topology)
	return slices.ContainsFunc(w.Apps, func(a schemas.App) bool {
		return l.failed[a.Name] == nil && rank.Outdated(l.published[a.Name], a, states[a.Name], time.Now())
	})
}

// rank refreshes every app. Without any it only asks whether ClickHouse is there, so that the service's readiness says so.
func (l *Loop) rank(ctx context.Context, w world) {
	results := map[string]error{}
	end := time.Now()
	unread := l.read(ctx, w.Topology, end)
	states := l.Mirrors.states(w.Topology)
	for _, app := range w.Apps {
		if unread != nil {
			results[app.Name] = l.Metrics.lost(fmt.Errorf("samples of %s: %w", app.Name, unread))
			continue
		}
		results[app.Name] = l.refresh(ctx, app, w, states[app.Name], end)
	}
	if len(w.Apps) == 0 {
		one, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		results[""] = l.DB.Ready(one)
	}
	if ctx.Err() == nil {
		l.note(results)
	}
}

// read brings what is held of all apps up to date.
func (l *Loop) read(ctx context.Context, t schemas.Topology, now time.Time) error {
	if len(t.Apps) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.window.Refresh(ctx, t, now)
}

// note remembers how it went, logs what changed, and forgets apps that are gone.
func (l *Loop) note(results map[string]error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for app, err := range results {
		switch before := l.failed[app]; {
		case err != nil && before == nil:
			l.Log.Warn().Err(err).Str("app", app).Msg("ranking not refreshed, the last good one stays")
		case err == nil && before != nil:
			l.Log.Info().Str("app", app).Msg("ranking refreshed again")
		}
	}
	for app := range l.failed {
		if _, ok := results[app]; !ok {
			delete(l.published, app)
			delete(l.unsaved, app)
			l.Metrics.forget(app)
		}
	}
	l.failed, l.ranked = results, true
}

// Ready returns why a ranking could not be refreshed, or nil.
func (l *Loop) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ranked {
		return errors.New("nothing has been ranked yet")
	}
	var all []error
	for _, app := range slices.Sorted(maps.Keys(l.failed)) {
		all = append(all, l.failed[app])
	}
	return errors.Join(all...)
}

// refresh ranks one app by its samples up to end, and publishes the ranking where it tells something new.
func (l *Loop) refresh(ctx context.Context, app schemas.App, w world, state rank.State, end time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	started := time.Now()
	in, err := l.window.Fill(ctx, w.inputs(app, end), app, w.Vantages)
	if err != nil {
		return l.Metrics.lost(err)
	}
	previous, err := l.previous(ctx, app.Name)
	if err != nil {
		return l.Metrics.lost(err)
	}
	state.Previous, state.Custom = previous, w.custom[app.Name]
	result, err := rank.Compute(in, app, w.Topology, state)
	if err != nil {
		return l.Metrics.lost(err)
	}
	if rank.Outlives(previous, result.Ranking, app.Failover.MaxRankingAge.D()) {
		return l.Metrics.lost(fmt.Errorf("ranking of %s: too few samples of every candidate", app.Name))
	}
	if l.unsaved[app.Name] || stood(app, previous.At, result.At) || rank.Tells(previous, result.Ranking) {
		if err := l.publish(ctx, previous, result); err != nil {
			return l.Metrics.lost(err)
		}
	}
	l.Metrics.ranked(result.Ranking, time.Since(started))
	return nil
}

// stands is how long a published ranking stands when those that follow say nothing else. It is a small part of the window, because what the next one counts for is by
// how much of its window is new since then.
func stands(app schemas.App) time.Duration {
	return min(30*time.Second, app.Failover.MaxRankingAge.D()/4, app.Objective.Window.D()/20)
}

// stood says whether a ranking has stood for long enough, or is of the future: the clock was set back, or another machine's ranker was ahead.
func stood(app schemas.App, published, now time.Time) bool {
	age := now.Sub(published)
	return age < 0 || age >= stands(app)
}

// shown is the most of a ranking's inputs that the bucket takes beside it: a value has a megabyte. Larger ones are in ClickHouse only.
const shown = 384 << 10

// publish writes the ranking where failovers read it, then tells what changed, then stores it for analysts. One that fails does not keep the others back.
func (l *Loop) publish(ctx context.Context, previous schemas.Ranking, result rank.Result) error {
	r, err := result.Stored()
	if err != nil {
		return err
	}
	light := r
	if len(r.Inputs) > shown {
		light.Inputs = nil
	}
	_, put := bus.Put(ctx, l.Bus, schemas.RankingBucket, light, bus.Condition{})
	told := l.tell(ctx, previous, r)
	if told == nil {
		l.published[r.App] = light
	} else {
		l.published[r.App] = previous
	}
	err = errors.Join(put, told, l.store(ctx, r))
	l.unsaved[r.App] = err != nil
	return err
}

// previous is the ranking that readers were last told of; after a restart the one in the bucket.
func (l *Loop) previous(ctx context.Context, app string) (schemas.Ranking, error) {
	if r, ok := l.published[app]; ok {
		return r, nil
	}
	entry, err := bus.Get(ctx, l.Bus, schemas.RankingBucket, app)
	if errors.Is(err, bus.ErrNotFound) {
		return schemas.Ranking{}, nil
	}
	if err == nil {
		l.published[app] = entry.Value
	}
	return entry.Value, err
}

// tell publishes an event for each active region whose order or eligible candidates are no longer those of the previous ranking.
func (l *Loop) tell(ctx context.Context, previous, r schemas.Ranking) error {
	for _, o := range r.Orders {
		if !rank.Changed(previous, o) {
			continue
		}
		event := schemas.RankingChanged{
			App: r.App, Active: o.Active, Order: rank.Names(o.Candidates), Eligible: rank.Eligible(o.Candidates), Choice: o.Choice, Reason: o.Reason, Topology: r.Topology, At: r.At,
		}
		if err := bus.Publish(ctx, l.Bus, schemas.RankingChangedTopic, event); err != nil {
			return err
		}
	}
	return nil
}

func (l *Loop) store(ctx context.Context, r schemas.Ranking) (err error) {
	if r.Digest, err = r.Hash(); err != nil {
		return err
	}
	subject, data, err := schemas.EncodeEvaluation(r)
	if err != nil {
		return err
	}
	return l.Bus.PublishRaw(ctx, subject, fmt.Sprintf("ranking:%s:%d", r.App, r.At.UnixMicro()), data)
}
