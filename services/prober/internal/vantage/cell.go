package vantage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/clock"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/guard"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
	"github.com/leeward-failover/leeward/services/prober/internal/verdict"
)

// cell measures an app in a region, round by round.
type cell struct {
	target.Cell
	vantage *Vantage
	judge   *judge
	beat    schedule.Beat
	// shots are the targets in the order they are due in.
	shots []shot

	mu      sync.Mutex
	stopped bool
	// due is when the latest round began, round what is known of it, next the place of the shot that comes next.
	due   time.Time
	round *round
	next  int
}

// shot is a target and when in a round it is due.
type shot struct {
	target int
	offset time.Duration
}

// newCell starts measuring; what ran before for the app and region, if anything, ends with its round and hands over its judge.
func (v *Vantage) newCell(ctx context.Context, spec target.Cell, previous *cell) *cell {
	c := &cell{Cell: spec, vantage: v, due: time.Now()}
	for i, t := range spec.Targets {
		// A round is short beside the interval, so that it can be judged soon, and its probes are apart, so that they do not measure each other.
		offset := schedule.Spread(spec.Interval/10, v.Name, t.App, t.Region, t.Variant, t.Kind.String()).Truncate(schedule.Tick)
		c.shots = append(c.shots, shot{i, offset})
	}
	slices.SortFunc(c.shots, func(a, b shot) int { return int(a.offset - b.offset) })
	if previous == nil {
		c.judge = newJudge(v, spec.App, spec.Region)
	} else {
		c.judge, c.due = previous.judge, previous.stop()
	}
	c.beat = schedule.Beat{Interval: spec.Interval, Phase: schedule.Spread(spec.Interval, v.Name, spec.App, spec.Region).Truncate(schedule.Tick)}
	c.due = c.beat.After(c.due)
	v.wheel.Add(&schedule.Task{Fire: func(_, now time.Time) time.Time { return c.fire(ctx, now) }, Set: c.set}, c.due.Add(c.shots[0].offset))
	return c
}

// stop ends the cell with the round that runs, and returns when the latest was due.
func (c *cell) stop() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.round == nil {
		return c.due.Add(-c.Interval)
	}
	return c.due
}

// fire starts the measurement that is due, and returns when the next one is.
func (c *cell) fire(ctx context.Context, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.round == nil {
		if c.stopped {
			return time.Time{}
		}
		var missed int
		if c.due, missed = c.beat.Behind(c.due, now); missed > 0 {
			c.vantage.Meter.MissedRounds.Add(float64(missed))
		}
		c.round = c.begin(ctx)
	}
	s := c.shots[c.next]
	c.start(ctx, c.round, s.target, c.due.Add(s.offset))
	if c.next++; c.next == len(c.shots) {
		c.due, c.round, c.next = c.beat.After(c.due), nil, 0
	}
	return c.due.Add(c.shots[c.next].offset)
}

// set moves the round to where the beat has it by a clock that was set. One that has begun goes on.
func (c *cell) set(_ time.Time, by time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due = c.due.Add(by); c.round == nil {
		c.due = c.beat.After(c.due)
	}
	return c.due.Add(c.shots[c.next].offset)
}

// start measures a target when it is due, which must be now, and emits the sample. What was cut short because the process stops is no measurement.
func (c *cell) start(ctx context.Context, r *round, i int, due time.Time) {
	t := c.Targets[i]
	c.vantage.work.Add(1)
	c.vantage.Start(ctx, t, due, func(m probe.Measurement) {
		defer c.vantage.work.Done()
		switch {
		case ctx.Err() != nil:
		case errors.Is(m.Err, guard.ErrForbidden):
			c.vantage.refused(t, m.Err)
			r.ended(t, nil)
		default:
			c.emit(r.site, t, m, due)
			r.ended(t, &m)
		}
	})
}

func (c *cell) emit(site site, t target.Target, m probe.Measurement, due time.Time) {
	if c.vantage.Strain.Saturated() {
		m.Sample.Flags |= schemas.Saturated
	}
	c.vantage.Emit(site.Origin, m.Sample)
	c.vantage.heartbeats.note(t, m)
	if t.Kind == schemas.KindDBRead && m.Err == nil {
		if lag, known := c.vantage.heartbeats.lag(c.Cell, t, due); known {
			c.vantage.Emit(site.Origin, lag)
		}
	}
}

// look measures what decides at a time, all at once, and returns when the last has ended. It returns less when ctx ends first.
func (c *cell) look(ctx context.Context, site site, at time.Time) []verdict.Reading {
	if !clock.Until(ctx, at) {
		return nil
	}
	readings := make(chan []verdict.Reading, len(c.Targets))
	begun := 0
	for i, t := range c.Targets {
		if t.Decides {
			begun++
			c.start(ctx, &round{site: site, judged: func(one []verdict.Reading) { readings <- one }, left: 1}, i, at)
		}
	}
	c.vantage.Flush()
	var all []verdict.Reading
	for range begun {
		select {
		case r := <-readings:
			all = append(all, r...)
		case <-ctx.Done():
			return all
		}
	}
	return all
}
