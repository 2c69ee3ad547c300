// Package vantage is the prober at work: it follows the topology, measures every cell on its beat, has the rounds judged, and answers requests to look at once.
package vantage

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/anchor"
	"github.com/leeward-failover/leeward/services/prober/internal/board"
	"github.com/leeward-failover/leeward/services/prober/internal/meter"
	"github.com/leeward-failover/leeward/services/prober/internal/outbox"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
	"github.com/leeward-failover/leeward/services/prober/internal/strain"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// Vantage measures and judges from one place.
type Vantage struct {
	Name string
	// Boot is when the process started, in microseconds since 1970.
	Boot uint64
	Bus  *bus.Bus
	// Start measures a target that is due and calls done when that has ended. It does not block; what it collects to send together is sent by Flush.
	Start func(ctx context.Context, t target.Target, due time.Time, done func(probe.Measurement))
	Flush func()
	// Dial reaches the anchors.
	Dial anchor.Dial
	// Emit takes every sample.
	Emit func(outbox.Origin, schemas.Sample)
	// Strain is told how late the wheel was, and says whether the prober is short of processor time.
	Strain *strain.Strain
	Meter  *meter.Meter
	Log    zerolog.Logger

	board board.Board
	wheel *schedule.Wheel
	// work are the measurements, judgements and looks under way.
	work       sync.WaitGroup
	site       atomic.Pointer[site]
	sight      atomic.Pointer[sight]
	heartbeats heartbeats
	// refusals are the addresses that the guard was told of already.
	refusals sync.Map

	// attending are the rounds of presences that run.
	attending atomic.Pointer[schedule.Task]

	mu    sync.Mutex
	cells map[cellName]*cell
}

type cellName struct{ app, region string }

// site is what the running topology says of this vantage.
type site struct {
	outbox.Origin
	anchors []string
	// interval and timeout are the shortest of the apps'.
	interval, timeout time.Duration
}

// Run works until ctx ends.
func (v *Vantage) Run(ctx context.Context) error {
	v.board.Failed = func(key string, err error) {
		v.Meter.WritesFailed.Inc()
		v.Log.Debug().Err(err).Str("key", key).Msg("write given up")
	}
	v.wheel = schedule.NewWheel()
	v.wheel.Burst, v.wheel.Woke = v.Flush, v.Strain.Woke
	topologies := bus.NewMirror(v.Bus, schemas.TopologyBucket)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.wheel.Run(ctx) })
	g.Go(func() error { return topologies.Run(ctx) })
	g.Go(func() error { return bus.Topologies(ctx, topologies, v.follow) })
	g.Go(func() error {
		return bus.Consume(ctx, v.Bus, schemas.ProbeRequestedTopic, v.Name, func(asked context.Context, e schemas.ProbeRequested) error {
			v.accept(ctx, asked, e)
			return nil
		})
	})
	err := g.Wait()
	v.work.Wait()
	v.board.Wait()
	return err
}

// Ready returns why the vantage measures nothing, or nil.
func (v *Vantage) Ready() error {
	if v.site.Load() == nil {
		return fmt.Errorf("no topology that names vantage %s has arrived", v.Name)
	}
	return nil
}

// follow switches to a topology. Cells that stay as they are keep running; changed ones keep their judge and go on after the last round that was due.
func (v *Vantage) follow(ctx context.Context, t schemas.Topology) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	self, ok := t.Vantage(v.Name)
	if !ok {
		v.Log.Warn().Str("topology", t.Hash()).Msg("the topology does not name this vantage; nothing is measured")
		v.switchTo(ctx, nil)
		v.site.Store(nil)
		return nil
	}
	cells := target.Cells(t)
	next := newSite(t, self, cells)
	previous := v.site.Swap(&next)
	if previous == nil || previous.interval != next.interval {
		v.presences(ctx, next.interval)
	}
	v.switchTo(ctx, cells)
	v.Log.Info().Str("topology", t.Hash()).Int("cells", len(cells)).Msg("topology followed")
	return nil
}

func newSite(t schemas.Topology, self schemas.Vantage, cells []target.Cell) site {
	s := site{Origin: outbox.Origin{VantageRegion: self.Region, Topology: t.Hash()}, anchors: self.Anchors, interval: time.Second, timeout: time.Second}
	for i, c := range cells {
		if i == 0 || c.Interval < s.interval {
			s.interval = c.Interval
		}
		if i == 0 || c.Timeout < s.timeout {
			s.timeout = c.Timeout
		}
	}
	s.timeout = min(s.timeout, s.interval)
	return s
}

// switchTo makes the wanted cells the running ones; the lock is held.
func (v *Vantage) switchTo(ctx context.Context, wanted []target.Cell) {
	v.Meter.Follow(wanted)
	old := v.cells
	v.cells = map[cellName]*cell{}
	for _, w := range wanted {
		name := cellName{w.App, w.Region}
		running := old[name]
		delete(old, name)
		if running == nil || !reflect.DeepEqual(running.Cell, w) {
			running = v.newCell(ctx, w, running)
		}
		v.cells[name] = running
	}
	for _, gone := range old {
		gone.stop()
	}
}

// post writes a value of this vantage's, if the bus takes it while it is worth something.
func post[V schemas.Value](ctx context.Context, v *Vantage, bucket schemas.Bucket[V], value V, interval time.Duration) {
	v.board.Post(ctx, bucket.Name()+"/"+schemas.KeyOf(value.Key()...), board.Notice{Life: max(interval, time.Second), Write: func(ctx context.Context) error {
		_, err := bus.Put(ctx, v.Bus, bucket, value, bus.Condition{TTL: schemas.TimeToLive(interval)})
		return err
	}})
}

// refused counts what the guard did not let out, and says it once an address.
func (v *Vantage) refused(t target.Target, err error) {
	v.Meter.Refused.Inc()
	if _, told := v.refusals.LoadOrStore(t.Address, true); !told {
		v.Log.Warn().Err(err).Str("app", t.App).Str("region", t.Region).Str("kind", t.Kind.String()).Msg("target not measured")
	}
}
