package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// snapshot is what the mirrors hold at one moment.
type snapshot struct {
	now       time.Time
	topology  schemas.Topology
	verdicts  []schemas.Verdict
	presences []schemas.Presence
	images    []schemas.ImageState
	builds    []schemas.BuildState
	// benchmarks are the newest ones of the images.
	benchmarks []schemas.BenchmarkState
	// plans are the newest first.
	plans    []schemas.Plan
	routes   map[string]schemas.Route
	rankings map[string]schemas.Ranking
}

// snapshot reads the mirrors. It fails in words while the bus has not been read yet.
func (c *Console) snapshot() (snapshot, error) {
	s := snapshot{now: time.Now().UTC(), routes: map[string]schemas.Route{}, rankings: map[string]schemas.Ranking{}}
	var err error
	if s.topology, err = c.State.CurrentTopology(); err != nil {
		return s, fault{http.StatusServiceUnavailable, "The bus has not been read yet", err.Error() + ". This page works as soon as it has been; look at the log of NATS if it stays so."}
	}
	s.verdicts, s.presences, s.images = values(c.State.Verdicts), values(c.State.Vantages), values(c.State.Images)
	s.builds, s.benchmarks, s.plans = values(c.State.Builds), values(c.State.Benchmarks), values(c.State.Plans)
	// A preview is somebody's question, not something that happened.
	s.plans = slices.DeleteFunc(s.plans, func(p schemas.Plan) bool { return p.State == schemas.PlanPreviewed })
	slices.SortFunc(s.plans, func(a, b schemas.Plan) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	for _, r := range values(c.State.Routes) {
		s.routes[r.App] = r
	}
	for _, r := range values(c.State.Rankings) {
		s.rankings[r.App] = r
	}
	return s, nil
}

// values lists what a mirror holds in the order of the keys.
func values[V schemas.Value](m *bus.Mirror[V]) []V {
	all := m.All()
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	list := make([]V, len(keys))
	for i, key := range keys {
		list[i] = all[key].Value
	}
	return list
}

// choose returns the app a request is about: the one it names, or the first.
func (s snapshot) choose(r *http.Request) (schemas.App, error) {
	name := r.URL.Query().Get("app")
	if name == "" && len(s.topology.Apps) > 0 {
		return s.topology.Apps[0], nil
	}
	app, ok := s.topology.App(name)
	switch {
	case ok:
		return app, nil
	case name == "":
		return app, fault{http.StatusNotFound, "There is no app yet", "Apply a topology first: leeward apply leeward.yaml."}
	}
	return app, fault{http.StatusNotFound, "There is no such app", "The topology has no app named " + name + "."}
}

// order is the app's candidates when traffic is in a region.
func (s snapshot) order(app, active string) (schemas.Order, bool) {
	orders := s.rankings[app].Orders
	i := slices.IndexFunc(orders, func(o schemas.Order) bool { return o.Active == active })
	if i < 0 {
		return schemas.Order{}, false
	}
	return orders[i], true
}

// next is the best candidate outside the region where traffic is, if that region failed.
func (s snapshot) next(app, active string) (schemas.RankedCandidate, bool) {
	o, _ := s.order(app, active)
	i := slices.IndexFunc(o.Candidates, func(k schemas.RankedCandidate) bool { return k.Eligible && k.Region != active })
	if i < 0 {
		return schemas.RankedCandidate{}, false
	}
	return o.Candidates[i], true
}

// votes is what every vantage says of an app in a region, blind ones included.
func (s snapshot) votes(app schemas.App, region string) []schemas.QuorumVote {
	return gate.Votes(app, region, s.verdicts, s.presences, s.now)
}

// verdict is a vantage's latest judgement, whether it is still believed or not.
func (s snapshot) verdict(vantage, app, region string) (schemas.Verdict, bool) {
	i := slices.IndexFunc(s.verdicts, func(v schemas.Verdict) bool { return v.Vantage == vantage && v.App == app && v.Region == region })
	if i < 0 {
		return schemas.Verdict{}, false
	}
	return s.verdicts[i], true
}

// tally is what all vantages together say of a region.
type tally struct {
	Region                 string
	Health                 schemas.Health
	Sighted, Saying, Blind int
}

// tally counts the votes. Its health is down by quorum, blind when nobody sees, up when all who see say so, and degraded in between.
func (s snapshot) tally(app schemas.App, region string) tally {
	t := tally{Region: region}
	votes := s.votes(app, region)
	counts := map[schemas.Health]int{}
	for _, v := range votes {
		counts[v.Health]++
	}
	down, sighted, _ := gate.Down(votes, app.Failover.Quorum, app.Failover.MinVantages)
	t.Sighted, t.Blind = sighted, counts[schemas.Blind]
	switch {
	case sighted == 0:
		t.Health = schemas.Blind
	case down:
		t.Health = schemas.Down
	case counts[schemas.Up] == sighted:
		t.Health = schemas.Up
	default:
		t.Health = schemas.Degraded
	}
	t.Saying = counts[t.Health]
	return t
}
