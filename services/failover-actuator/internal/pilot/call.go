package pilot

import (
	"context"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
)

// call is an event that waits for what comes of it.
type call struct {
	alert   *schemas.AlertReceived
	request *schemas.FailoverRequested
	// done gets nil when everything that can come of the event is recorded.
	done chan error
}

// Alert hands an alert over and waits until nothing more can come of it, so that it is offered again to someone else if this process ends before.
func (p *Pilot) Alert(ctx context.Context, e schemas.AlertReceived) error {
	return p.call(ctx, call{alert: &e})
}

// Request hands a person's wish over and waits until its plan ended.
func (p *Pilot) Request(ctx context.Context, e schemas.FailoverRequested) error {
	return p.call(ctx, call{request: &e})
}

func (p *Pilot) call(ctx context.Context, c call) error {
	c.done = make(chan error, 1)
	select {
	case p.calls <- c:
	case <-p.gone:
		return ErrElsewhere
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accept begins what an event asks for. The error is one that ends the watch.
func (p *Pilot) accept(ctx context.Context, c call) error {
	if c.request != nil {
		err := p.request(ctx, *c.request)
		c.done <- err
		return err
	}
	p.alert(*c.alert, c.done)
	return nil
}

// alert opens an incident, or joins the one that is open for the region.
func (p *Pilot) alert(e schemas.AlertReceived, done chan error) {
	log := p.Log.With().Str("alert", e.Name).Str("region", e.Region).Logger()
	id := decide.ID("alert", e.App, e.Identity())
	_, app, err := p.app()
	switch active := p.book.Route().Active.Region; {
	case err != nil || p.closed(id, e.At):
		done <- err
		return
	case e.Region != active:
		log.Info().Str("active", active).Msg("alert passed over: traffic is elsewhere")
		done <- nil
		return
	}
	now := time.Now()
	i := p.incidents[e.Region]
	if i == nil {
		i = &incident{Incident: decide.Incident{Region: e.Region}, refused: map[decide.Cause]bool{}}
		p.incidents[e.Region] = i
	}
	if i.quorumAt.IsZero() && (i.Trigger != schemas.TriggerAlert || i.refused[decide.Unconfirmed]) {
		i.ID, i.Trigger, i.Reason, i.AlertAt = id, schemas.TriggerAlert, fmt.Sprintf("alert %s from %s", e.Name, e.Source), e.At
		delete(i.refused, decide.Unconfirmed)
		i.deadline, i.until = now.Add(decide.ConfirmWithin(app)), now.Add(schemas.AlertReceivedTopic.Contract().ActWithin)
		p.ask(i)
	}
	i.waiting = append(i.waiting, done)
	log.Info().Str("incident", i.ID).Msg("alert received")
}

// closed says whether an alert's incident has come to its end before, such as when the alert is offered again after a restart.
// One that nobody confirmed is looked at again when its sender repeats it later.
func (p *Pilot) closed(id string, at time.Time) bool {
	for _, plan := range p.plans {
		unconfirmed := plan.ID == decide.PlanID(id, plan.Epoch, decide.Unconfirmed) && !at.After(plan.At)
		if plan.Incident == id && (plan.State == schemas.PlanFinished || unconfirmed) {
			return true
		}
	}
	return false
}

// request decides and carries out a person's wish.
func (p *Pilot) request(ctx context.Context, e schemas.FailoverRequested) error {
	f, err := p.facts()
	if err != nil {
		return err
	}
	if e.DryRun {
		return p.preview(ctx, decide.Preview(f, e))
	}
	i := decide.Requested(f, e)
	for _, plan := range p.plans {
		if plan.Incident == i.ID {
			p.Log.Info().Str("request", e.Request).Str("plan", plan.ID).Msg("request was decided before")
			return nil
		}
	}
	d := decide.Decide(f, i, f.Confirmed(i))
	if d.Cause != "" {
		return p.refuse(ctx, d.Plan)
	}
	_, err = p.carry(ctx, d.Plan, 0)
	return err
}
