package console

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// summary says in a few sentences how an app is.
type summary struct {
	App, Mode string
	Route     schemas.Route
	Routed    bool
	Here      tally
	// Next is where traffic would go if its region failed; Ties are those that measure no worse.
	Next     schemas.RankedCandidate
	HasNext  bool
	Ties     int
	Ranked   time.Time
	MaxAge   int
	Running  *schemas.Plan
	Last     *schemas.Plan
	Nearest  string
	Measured bool
}

func (s snapshot) summary(a schemas.App) summary {
	sum := summary{App: a.Name, Mode: a.Mode, MaxAge: int(a.Failover.MaxRankingAge.D().Seconds()), Ranked: s.rankings[a.Name].At}
	sum.Measured = !sum.Ranked.IsZero()
	if sum.Route, sum.Routed = s.routes[a.Name]; sum.Routed {
		sum.Here = s.tally(a, sum.Route.Active.Region)
		if sum.Next, sum.HasNext = s.next(a.Name, sum.Route.Active.Region); sum.HasNext {
			sum.Ties = s.ties(a.Name, sum.Route.Active.Region, sum.Next)
		} else {
			sum.Nearest = s.nearest(a.Name, sum.Route.Active.Region)
		}
	}
	for _, p := range s.plans {
		switch {
		case p.App != a.Name:
		case !p.State.Ended() && sum.Running == nil:
			sum.Running = &p
		case p.State.Ended() && sum.Last == nil:
			sum.Last = &p
		}
	}
	return sum
}

// ties counts the other eligible candidates outside the active region that share a rank with one.
func (s snapshot) ties(app, active string, with schemas.RankedCandidate) int {
	o, _ := s.order(app, active)
	n := 0
	for _, k := range o.Candidates {
		if k.Eligible && k.Region != active && k.Rank == with.Rank && k.Candidate != with.Candidate {
			n++
		}
	}
	return n
}

// nearest says what the best candidate outside the active region lacks.
func (s snapshot) nearest(app, active string) string {
	o, _ := s.order(app, active)
	for _, k := range o.Candidates {
		if k.Region == active {
			continue
		}
		for _, g := range k.Gates {
			if g.Result != schemas.Pass {
				return fmt.Sprintf("%s, the first in the order, does not pass %s: %s", k.Candidate, g.Name, g.Evidence)
			}
		}
	}
	return ""
}

// sight is what one vantage says of one region.
type sight struct {
	Region    string
	Health    schemas.Health
	ConnectUS uint32
	LatencyUS uint32
	Reason    string
}

// watcher is a vantage with what it says of every region.
type watcher struct {
	Name, Region string
	Present      bool
	Sighted      bool
	Anchors      string
	At           time.Time
	Sights       []sight
}

type overviewBody struct {
	Summaries []summary
	Watchers  []watcher
	Tallies   []tally
	Active    string
	Wide      drawing
	Narrow    drawing
	// Accepted says that there is a topology.
	Accepted bool
	Probed   string
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request) error {
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	b := overviewBody{Accepted: s.topology.Version != 0}
	v := view{Name: "overview", Title: "Overview"}
	if len(s.topology.Apps) > 0 {
		a, err := s.choose(r)
		if err != nil {
			return err
		}
		v.App = a.Name
		b.fill(s, a)
	}
	v.Body = b
	return c.show(w, r, http.StatusOK, v)
}

func (b *overviewBody) fill(s snapshot, a schemas.App) {
	for _, one := range s.topology.Apps {
		b.Summaries = append(b.Summaries, s.summary(one))
	}
	b.Active = s.routes[a.Name].Active.Region
	b.Probed = a.Probe.Interval.String()
	for _, region := range a.Regions() {
		b.Tallies = append(b.Tallies, s.tally(a, region))
	}
	b.Watchers = s.watchers(a)
	b.Wide, b.Narrow = s.draw(a, 700, 400), s.draw(a, 340, 230)
}

// watchers lists every vantage of the topology with what it says of the app's regions.
func (s snapshot) watchers(a schemas.App) []watcher {
	var all []watcher
	for _, vantage := range s.topology.Vantages {
		w := watcher{Name: vantage.Name, Region: vantage.Region}
		if i := slices.IndexFunc(s.presences, func(p schemas.Presence) bool { return p.Vantage == vantage.Name }); i >= 0 {
			p := s.presences[i]
			w.Present, w.Sighted, w.At, w.Anchors = true, p.Sighted, p.At, fmt.Sprintf("%d of %d anchors", p.AnchorsReachable, p.Anchors)
		}
		for _, region := range a.Regions() {
			w.Sights = append(w.Sights, s.sight(a, vantage.Name, region))
		}
		all = append(all, w)
	}
	return all
}

func (s snapshot) sight(a schemas.App, vantage, region string) sight {
	one := sight{Region: region, Health: schemas.Blind, Reason: "no prober answers for this vantage"}
	for _, v := range s.votes(a, region) {
		if v.Vantage == vantage {
			one.Health, one.Reason = v.Health, v.Reason
		}
	}
	if v, ok := s.verdict(vantage, a.Name, region); ok && one.Health != schemas.Blind {
		one.ConnectUS, one.LatencyUS = v.ConnectUS, v.LatencyUS
	}
	return one
}
