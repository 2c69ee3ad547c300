package pilot

import (
	"context"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
)

// incident is an open incident: one per region, whatever accuses it.
type incident struct {
	decide.Incident
	// quorumAt is since when the vantages have confirmed it without a break.
	quorumAt time.Time
	// confirmed is whether they ever did.
	confirmed bool
	// deadline is until when the vantages may confirm an alert before it is refused, and until how long its region is watched.
	deadline, until time.Time
	// notBefore keeps the next decision away from the last one.
	notBefore time.Time
	// attempts counts plans that did not succeed.
	attempts int
	// refused are the causes that are recorded already.
	refused map[decide.Cause]bool
	waiting []chan error
}

const (
	// redecide is the pause between two decisions of an incident that is refused: what refuses it changes by the second, not by the verdict.
	redecide = 250 * time.Millisecond
	// retry and retryMost bound the pause after a plan that did not succeed.
	retry, retryMost = 2 * time.Second, time.Minute
)

// consider looks at the active region and does what is to be done about it. It returns when to look again though nothing changes.
func (p *Pilot) consider(ctx context.Context) (time.Duration, error) {
	p.follow()
	t, app, err := p.app()
	if err != nil {
		return 0, err
	}
	region := p.book.Route().Active.Region
	for other := range p.incidents {
		if other != region {
			p.close(other)
		}
	}
	f := p.Mirrors.glance(t, app, region)
	accused := f.Accused(region)
	i := p.incidents[region]
	if i == nil {
		if !app.Failover.Verdicts || accused.Accusing == 0 {
			return settleEvery, nil
		}
		i = p.suspect(region, accused)
	}
	q := f.Confirmed(i.Incident)
	if !q.Down {
		i.quorumAt = time.Time{}
	} else if i.quorumAt.IsZero() {
		i.quorumAt, i.confirmed = f.Now, true
	}
	switch {
	case q.Down && f.Now.Before(i.notBefore):
		return i.notBefore.Sub(f.Now), nil
	case q.Down:
		return redecide, p.act(ctx, i, q)
	case i.Trigger == schemas.TriggerVerdicts:
		if accused.Accusing == 0 {
			p.close(region)
		}
	case !i.confirmed && f.Now.Before(i.deadline):
		return i.deadline.Sub(f.Now), nil
	case !i.confirmed && !i.refused[decide.Unconfirmed]:
		return redecide, p.act(ctx, i, q)
	case f.Now.After(i.until):
		p.close(region)
	}
	return settleEvery, nil
}

// suspect opens an incident at the first accusation, and has the others look at once when it is not enough yet.
func (p *Pilot) suspect(region string, accused decide.Quorum) *incident {
	i := &incident{Incident: decide.Incident{
		ID: decide.ID("verdicts", p.App, region, time.Now().String()), Trigger: schemas.TriggerVerdicts, Region: region, Reason: "the vantages' own verdicts",
	}, refused: map[decide.Cause]bool{}}
	p.incidents[region] = i
	if !accused.Down {
		p.ask(i)
	}
	return i
}

// ask has every vantage look at the incident's region at once.
func (p *Pilot) ask(i *incident) {
	i.AskedAt = time.Now()
	e := schemas.ProbeRequested{Incident: i.ID, App: p.App, Region: i.Region, Reason: i.Reason, At: i.AskedAt}
	p.Outbox.Put(func(ctx context.Context) error { return bus.Publish(ctx, p.Bus, schemas.ProbeRequestedTopic, e) })
	p.Log.Info().Str("incident", i.ID).Str("region", i.Region).Str("reason", i.Reason).Msg("vantages asked to look")
}

// act decides an incident and carries the decision out.
func (p *Pilot) act(ctx context.Context, i *incident, q decide.Quorum) error {
	f, err := p.facts()
	if err != nil {
		return err
	}
	d := decide.Decide(f, i.Incident, q)
	d.Plan.Times.QuorumAt = i.quorumAt
	if d.Cause != "" {
		return p.hold(ctx, i, d)
	}
	plan, err := p.carry(ctx, d.Plan, 0)
	if err != nil {
		return err
	}
	if plan.State == schemas.PlanFinished {
		p.close(i.Region)
		return nil
	}
	i.attempts++
	i.notBefore = time.Now().Add(min(retry<<min(i.attempts-1, 10), retryMost))
	return nil
}

// hold records why nothing is done, once per cause, and keeps the incident open where that may change.
func (p *Pilot) hold(ctx context.Context, i *incident, d decide.Decision) error {
	i.notBefore = time.Now().Add(redecide)
	if !i.refused[d.Cause] {
		if err := p.refuse(ctx, d.Plan); err != nil {
			return err
		}
		i.refused[d.Cause] = true
	}
	if d.Cause == decide.Unconfirmed && i.Trigger == schemas.TriggerAlert {
		// The alert has its answer. What it accuses is watched a while longer, for vantages that see it only later.
		i.release(nil)
	}
	return nil
}

// release answers everyone who waits for the incident.
func (i *incident) release(err error) {
	for _, done := range i.waiting {
		done <- err
	}
	i.waiting = nil
}

// close ends an incident: nothing more comes of what opened it.
func (p *Pilot) close(region string) {
	if i := p.incidents[region]; i != nil {
		i.release(nil)
		delete(p.incidents, region)
		p.Log.Info().Str("incident", i.ID).Str("region", region).Msg("incident closed")
	}
}

// drop forgets every incident, and has its alerts offered again.
func (p *Pilot) drop() {
	for region, i := range p.incidents {
		i.release(ErrElsewhere)
		delete(p.incidents, region)
	}
}

// facts reads everything a decision is made from.
func (p *Pilot) facts() (decide.Facts, error) {
	t, app, err := p.app()
	if err != nil {
		return decide.Facts{}, err
	}
	f := p.Mirrors.facts(t, app)
	f.Route = p.book.Route()
	for _, plan := range p.plans {
		f.Plans = append(f.Plans, plan)
	}
	return f, nil
}
