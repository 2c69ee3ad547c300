package vantage

import (
	"context"
	"sync"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
	"github.com/leeward-failover/leeward/services/prober/internal/verdict"
)

// round collects what a verdict waits for.
type round struct {
	site site
	// judged gets the readings when all that are waited for have come.
	judged func([]verdict.Reading)

	mu       sync.Mutex
	left     int
	readings []verdict.Reading
}

// begin begins a regular round: as soon as those targets that matter to the verdict have ended, it is judged. Rounds may overlap and are judged in order.
func (c *cell) begin(ctx context.Context) *round {
	r := &round{site: *c.vantage.site.Load()}
	for _, t := range c.Targets {
		if t.Judged() {
			r.left++
		}
	}
	if r.left == 0 {
		return r
	}
	before, judged := c.judge.queue()
	r.judged = func(readings []verdict.Reading) {
		c.vantage.work.Go(func() {
			defer close(judged)
			select {
			case <-before:
				if len(readings) > 0 {
					c.judge.round(ctx, c, r.site, readings)
				}
			case <-ctx.Done():
			}
		})
	}
	return r
}

// ended adds a measurement to the round; nil is one that was not made, which accuses nobody.
func (r *round) ended(t target.Target, m *probe.Measurement) {
	if !t.Judged() {
		return
	}
	r.mu.Lock()
	if m != nil {
		reading := verdict.Reading{Sample: m.Sample, Decides: t.Decides, Shown: t.Shown}
		if m.Sample.Outcome != schemas.OK {
			reading.Error = m.Err.Error()
		}
		r.readings = append(r.readings, reading)
	}
	r.left--
	last := r.left == 0
	r.mu.Unlock()
	if last {
		r.judged(r.readings)
	}
}
