package vantage

import (
	"context"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/verdict"
)

// second is how long after the first look on request the second begins, unless the first went well by then.
const second = 100 * time.Millisecond

// accept starts a look and returns: an incident that touches many apps asks for many looks at once, and none waits for another.
// asked carries the request's trace and ends with its delivery; ctx is the vantage's.
func (v *Vantage) accept(ctx, asked context.Context, e schemas.ProbeRequested) {
	log := v.Log.With().Str("incident", e.Incident).Str("app", e.App).Str("region", e.Region).Logger()
	v.mu.Lock()
	c := v.cells[cellName{e.App, e.Region}]
	v.mu.Unlock()
	site := v.site.Load()
	if c == nil || site == nil {
		log.Warn().Msg("asked to look at what the topology does not name")
		return
	}
	looking := carried{ctx, asked}
	v.work.Go(func() { //nolint:contextcheck // looking lasts as long as ctx
		started := time.Now()
		l := c.lookNow(looking, *site)
		if looking.Err() != nil || len(l.Variants) == 0 {
			return
		}
		c.judge.answer(looking, c, *site, l, e.Incident)
		log.Info().Bool("good", l.Good()).Bool("sighted", l.Sighted).Dur("took", time.Since(started)).Msg("looked on request")
	})
}

// carried lasts as long as one context and carries the values of another.
type carried struct {
	context.Context
	values context.Context
}

// Value returns a value of the other context.
func (c carried) Value(key any) any { return c.values.Value(key) }

// lookNow measures what decides, at once. A failure that nothing foretold takes a second look to be believed; it begins while the first still waits, so that the answer takes little more than one timeout.
func (c *cell) lookNow(ctx context.Context, site site) verdict.Look {
	sees := make(chan bool, 1)
	c.vantage.work.Go(func() { sees <- c.vantage.sees(ctx, site) })
	started := time.Now()
	first := c.decide(ctx, site, started)
	var readings []verdict.Reading
	var again <-chan []verdict.Reading
	timer := time.NewTimer(second)
	defer timer.Stop()
	select {
	case readings = <-first:
	case <-timer.C:
		again = c.decide(ctx, site, time.Now())
		readings = <-first
	}
	l := verdict.See(time.Now(), c.vantage.sighted(), readings)
	if c.judge.now().Doubts(l) {
		if again == nil {
			again = c.decide(ctx, site, started.Add(second))
		}
		l = verdict.See(time.Now(), c.vantage.sighted(), <-again)
		l.At = time.Now()
	}
	if !l.Good() {
		l.Sighted = <-sees
	}
	return l
}

// decide measures what decides at a time.
func (c *cell) decide(ctx context.Context, site site, at time.Time) <-chan []verdict.Reading {
	readings := make(chan []verdict.Reading, 1)
	c.vantage.work.Go(func() {
		readings <- c.look(ctx, site, at)
	})
	return readings
}
