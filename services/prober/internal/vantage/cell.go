package vantage

import (
	"context"
	"sync"
	"time"

	"github.com/leeward-failover/leeward/pkg/clock"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/schedule"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
	"github.com/leeward-failover/leeward/services/prober/internal/verdict"
)

// cell measures an app in a region, round by round.
type cell struct {
	target.Cell
	vantage *Vantage
	judge   *judge
	loop    *loop
	// offsets are when in a round each target is due.
	offsets []time.Duration
}

// newCell starts measuring; what ran before for the app and region, if anything, ends and hands over its judge.
func (v *Vantage) newCell(ctx context.Context, spec target.Cell, previous *cell) *cell {
	c := &cell{Cell: spec, vantage: v}
	for _, t := range spec.Targets {
		// A round is short beside the interval, so that it can be judged soon, and its probes are apart, so that they do not measure each other.
		c.offsets = append(c.offsets, schedule.Spread(spec.Interval/10, v.Name, t.App, t.Region, t.Variant, t.Kind.String()))
	}
	after := time.Now()
	if previous == nil {
		c.judge = newJudge(v, spec.App, spec.Region)
	} else {
		c.judge, after = previous.judge, previous.loop.end()
	}
	beat := schedule.Beat{Interval: spec.Interval, Phase: schedule.Spread(spec.Interval, v.Name, spec.App, spec.Region)}
	c.loop = v.start(ctx, beat, after, func(due time.Time) { c.round(ctx, due) })
	return c
}

// round measures every target; as soon as those that matter to the verdict have ended, the round is judged. Rounds may overlap and are judged in order.
func (c *cell) round(ctx context.Context, due time.Time) {
	site := *c.vantage.site.Load()
	before, judged := c.judge.queue()
	for i, t := range c.Targets {
		if !t.Judged() {
			c.vantage.work.Go(func() { c.measure(ctx, site, t, due.Add(c.offsets[i])) })
		}
	}
	c.vantage.work.Go(func() {
		defer close(judged)
		readings := c.look(ctx, site, due, c.offsets, target.Target.Judged)
		<-before
		if len(readings) > 0 && ctx.Err() == nil {
			c.judge.round(ctx, c, site, readings)
		}
	})
}

// look measures the chosen targets at once, each at its offset from a time, and returns when the last has ended.
func (c *cell) look(ctx context.Context, site site, at time.Time, offsets []time.Duration, chosen func(target.Target) bool) []verdict.Reading {
	readings := make([]verdict.Reading, len(c.Targets))
	var work sync.WaitGroup
	for i, t := range c.Targets {
		if chosen(t) {
			work.Go(func() { readings[i] = c.measure(ctx, site, t, at.Add(offsets[i])) })
		}
	}
	work.Wait()
	var taken []verdict.Reading
	for _, r := range readings {
		if r.Sample.Kind != 0 {
			taken = append(taken, r)
		}
	}
	return taken
}

// measure measures a target when it is due and emits the sample. What was cut short because the process stops is no measurement.
func (c *cell) measure(ctx context.Context, site site, t target.Target, due time.Time) verdict.Reading {
	if !clock.Until(ctx, due) {
		return verdict.Reading{}
	}
	m := c.vantage.Measure(ctx, t, due)
	if ctx.Err() != nil {
		return verdict.Reading{}
	}
	c.vantage.Emit(site.Origin, m.Sample)
	c.vantage.heartbeats.note(t, m)
	if t.Kind == schemas.KindDBRead && m.Err == nil {
		if lag, known := c.vantage.heartbeats.lag(c.Cell, t, due); known {
			c.vantage.Emit(site.Origin, lag)
		}
	}
	r := verdict.Reading{Sample: m.Sample, Decides: t.Decides, Shown: t.Shown}
	if m.Sample.Outcome != schemas.OK {
		r.Error = m.Err.Error()
	}
	return r
}
