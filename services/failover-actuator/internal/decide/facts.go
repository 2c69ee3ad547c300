// Package decide turns an incident and the state of the world into a plan, or into a refusal with its reason. It is pure: the caller brings the state and the time.
package decide

import (
	"slices"
	"time"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// Facts are everything a decision is made from, read at one moment.
type Facts struct {
	Topology schemas.Topology
	App      schemas.App
	Route    schemas.Route
	// Ranking is the app's last good ranking; zero when there is none.
	Ranking   schemas.Ranking
	Verdicts  []schemas.Verdict
	Presences []schemas.Presence
	Images    []schemas.ImageState
	// Load is what the app's targets are asked for; zero when nobody measures it.
	Load schemas.Load
	// Overrides are what people ordered, of any app.
	Overrides []schemas.Override
	// Plans are the app's plans so far.
	Plans []schemas.Plan
	Now   time.Time
}

// Incident is a reason to look at a region, and perhaps to leave it.
type Incident struct {
	// ID is the same for every reason that joins the incident.
	ID string
	// Trigger is what opened it: alert, verdicts or request.
	Trigger string
	// Region is the region that is accused, or for a request the one traffic is in.
	Region string
	Reason string
	Actor  string
	// To is where a request wants to go; region, variant or both may be empty.
	To schemas.Candidate
	// Force takes a region that is named in To although gates of it fail.
	Force bool
	// AlertAt is the alert's time.
	AlertAt time.Time
	// AskedAt is when the vantages were asked to look; older verdicts do not confirm an alert.
	AskedAt time.Time
}

// Quorum is what the vantages say of a region.
type Quorum struct {
	Votes             []schemas.QuorumVote
	Down              bool
	Sighted, Accusing int
	// FirstDown is when the first of the accusers judged the region down.
	FirstDown time.Time
}

// Accused counts the vantages that judge a region down, whatever made them look.
func (f Facts) Accused(region string) Quorum {
	return f.quorum(region, func(schemas.Verdict) bool { return true })
}

// Confirmed counts the vantages that confirm an incident. An alert is confirmed by verdicts taken after the vantages were asked,
// unless the app lets regular verdicts start a failover anyway.
func (f Facts) Confirmed(i Incident) Quorum {
	if i.Trigger != schemas.TriggerAlert || f.App.Failover.Verdicts {
		return f.Accused(i.Region)
	}
	return f.quorum(i.Region, func(v schemas.Verdict) bool { return v.Incident == i.ID || !v.At.Before(i.AskedAt) })
}

// quorum counts accusations that pass; a vantage whose accusation does not pass has not answered yet: it is sighted and accuses nobody.
func (f Facts) quorum(region string, passes func(schemas.Verdict) bool) Quorum {
	q := Quorum{Votes: gate.Votes(f.App, region, f.Verdicts, f.Presences, f.Now)}
	counted := slices.Clone(q.Votes)
	for i, vote := range counted {
		if vote.Health != schemas.Down {
			continue
		}
		v := f.verdict(vote.Vantage, region)
		if !passes(v) {
			counted[i].Health = schemas.Up
			continue
		}
		if q.FirstDown.IsZero() || v.Since.Before(q.FirstDown) {
			q.FirstDown = v.Since
		}
	}
	q.Down, q.Sighted, q.Accusing = gate.Down(counted, f.App.Failover.Quorum, f.App.Failover.MinVantages)
	return q
}

func (f Facts) verdict(vantage, region string) schemas.Verdict {
	i := slices.IndexFunc(f.Verdicts, func(v schemas.Verdict) bool {
		return v.Vantage == vantage && v.App == f.App.Name && v.Region == region
	})
	if i < 0 {
		return schemas.Verdict{}
	}
	return f.Verdicts[i]
}

// ConfirmWithin is how long the vantages have to confirm an alert: twice the rounds it takes to judge a region down, and at least ten seconds.
func ConfirmWithin(app schemas.App) time.Duration {
	rounds := time.Duration(max(app.Probe.DownAfter, 1)) * (app.Probe.Interval.D() + app.Probe.Timeout.D())
	return max(10*time.Second, 2*rounds)
}
