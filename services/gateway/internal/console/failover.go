package console

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// manyPlans is how many failovers the list shows.
const manyPlans = 100

type failoversBody struct {
	Plans []planRow
	All   int
	// Request is the request that a person just made; Found is its plan.
	Request string
	Found   *schemas.Plan
}

type planRow struct {
	schemas.Plan
	// Delay is from the first sign to the move, when there was one.
	Delay time.Duration
	Moved bool
}

func (c *Console) failovers(w http.ResponseWriter, r *http.Request) error {
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	v := view{Name: "failovers", Title: "Failovers", App: r.URL.Query().Get("app")}
	if v.App != "" {
		if _, err := s.choose(r); err != nil {
			return err
		}
	}
	b := failoversBody{Request: r.URL.Query().Get("request")}
	for _, p := range s.plans {
		if v.App != "" && p.App != v.App {
			continue
		}
		if b.Request != "" && p.Incident == "request:"+b.Request && b.Found == nil {
			b.Found = &p
		}
		if b.All++; len(b.Plans) < manyPlans {
			row := planRow{Plan: p}
			if began := beginning(p); !p.Times.ShiftedAt.IsZero() && !began.IsZero() {
				row.Delay, row.Moved = p.Times.ShiftedAt.Sub(began), true
			}
			b.Plans = append(b.Plans, row)
		}
	}
	v.Body = b
	return c.show(w, r, http.StatusOK, v)
}

// beginning is the first sign that something was to be done.
func beginning(p schemas.Plan) time.Time {
	first := time.Time{}
	for _, t := range []time.Time{p.Times.AlertAt, p.Times.FirstDownAt, p.Times.QuorumAt, p.Times.PlannedAt} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// part is a part of a failover's delay.
type part struct {
	Name, Means string
	Took        time.Duration
	At          time.Time
	// X and W are where its bar lies, of barW. Class names its colour.
	X, W  float64
	Class string
	// Running says that it has not ended yet.
	Running bool
}

// barW is the width of the bar of a failover.
const barW = 900.0

// parts are the stretches between the moments of a failover, in their order. A moment that is not known is passed over; the last stretch of a plan that is not at its end is running.
func parts(p schemas.Plan, now time.Time) (all []part, total time.Duration) {
	type moment struct {
		at                 time.Time
		name, means, class string
	}
	moments := []moment{
		{p.Times.QuorumAt, "quorum", "from the first sign until enough vantages agreed", "quorum"},
		{p.Times.PlannedAt, "decide", "until the plan was made", "decide"},
		{p.Times.ShiftedAt, "shift", "until the traffic targets had the new weights", "shift"},
		{p.Times.VerifiedAt, "verify", "until a request from outside was answered by the new region", "verify"},
		{p.Times.EndedAt, "record", "until the end was recorded", "record"},
	}
	began := beginning(p)
	if began.IsZero() {
		return nil, 0
	}
	if p.Trigger == schemas.TriggerAlert && p.Times.AlertAt.After(began) && p.Times.AlertAt.Before(p.Times.PlannedAt) {
		moments = append([]moment{{p.Times.AlertAt, "alert", "from the first vantage that said down until the alert came in", "alert"}}, moments...)
	}
	from := began
	for _, m := range moments {
		if m.at.IsZero() || m.at.Before(from) {
			continue
		}
		all = append(all, part{Name: m.name, Means: m.means, Class: m.class, Took: m.at.Sub(from), At: m.at})
		from = m.at
	}
	if !p.State.Ended() {
		all = append(all, part{Name: "running", Means: "since then", Class: "running", Took: max(now.Sub(from), 0), At: now, Running: true})
	}
	for _, one := range all {
		total += one.Took
	}
	// Every part is wide enough to be seen; the rest of the width is shared by time.
	const least = 6.0
	x, free := 0.0, barW-least*float64(len(all))
	for i := range all {
		all[i].X, all[i].W = x, least+free*share(float64(all[i].Took), float64(total))/100
		x += all[i].W
	}
	return all, total
}

// step is a step of the journal with where its bar lies.
type step struct {
	schemas.JournalStep
	Number int
	Took   time.Duration
	Since  time.Duration
	X, W   float64
	Begun  bool
}

type failoverBody struct {
	schemas.Plan
	Says    string
	Parts   []part
	Total   time.Duration
	Steps   []step
	Rows    []ranked
	Scale   scale
	Facts   []fact
	RankAge time.Duration
	Delay   time.Duration
	Moved   bool
}

func (c *Console) failover(w http.ResponseWriter, r *http.Request) error {
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.plans, func(p schemas.Plan) bool { return p.App == r.PathValue("app") && p.ID == r.PathValue("plan") })
	if i < 0 {
		return fault{http.StatusNotFound, "There is no such failover", "No plan has this name. The list of failovers has every plan there is."}
	}
	p := s.plans[i]
	b := failoverBody{Plan: p, Says: says(p)}
	b.Parts, b.Total = parts(p, s.now)
	b.Steps = steps(p, s.now)
	if began := beginning(p); !p.Times.ShiftedAt.IsZero() && !began.IsZero() {
		b.Delay, b.Moved = p.Times.ShiftedAt.Sub(began), true
	}
	if !p.RankingAt.IsZero() {
		b.RankAge = p.At.Sub(p.RankingAt)
	}
	var candidates []schemas.RankedCandidate
	for _, k := range p.Candidates {
		candidates = append(candidates, k.RankedCandidate)
	}
	b.Rows, b.Scale = rows(candidates, p.To, "chosen")
	return c.show(w, r, http.StatusOK, view{Name: "failover", Title: "Failover of " + p.App, App: p.App, Body: b})
}

// says is a plan in a sentence.
func says(p schemas.Plan) string {
	switch p.State {
	case schemas.PlanFinished:
		return fmt.Sprintf("Traffic of %s moved from %s to %s.", p.App, p.From, p.To)
	case schemas.PlanRefused:
		return fmt.Sprintf("Nothing was moved: traffic of %s stayed at %s.", p.App, p.From)
	case schemas.PlanRolledBack:
		return fmt.Sprintf("The move of %s to %s did not work, and traffic went back to %s.", p.App, p.To, p.From)
	case schemas.PlanFailed:
		return fmt.Sprintf("The move of %s from %s to %s failed; look at the steps for how far it came.", p.App, p.From, p.To)
	}
	return fmt.Sprintf("Traffic of %s is being moved from %s to %s.", p.App, p.From, p.To)
}

func steps(p schemas.Plan, now time.Time) []step {
	var first, last time.Time
	all := make([]step, len(p.Journal))
	for i, j := range p.Journal {
		all[i] = step{JournalStep: j, Number: i + 1, Begun: !j.StartedAt.IsZero()}
		if !all[i].Begun {
			continue
		}
		if first.IsZero() {
			first = j.StartedAt
		}
		end := j.EndedAt
		if end.IsZero() {
			end = now
		}
		all[i].Took, all[i].Since = end.Sub(j.StartedAt), j.StartedAt.Sub(first)
		if end.After(last) {
			last = end
		}
	}
	whole := float64(last.Sub(first))
	for i := range all {
		if all[i].Begun {
			all[i].X = share(float64(all[i].Since), whole)
			all[i].W = max(share(float64(all[i].Took), whole), 1)
			all[i].X = min(all[i].X, 99)
		}
	}
	return all
}
