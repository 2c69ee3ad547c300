package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// clocks is how far a vantage's clock may be from the bus's. Presences travel for a while, so one that seems late may only be far away.
const (
	ahead  = 500 * time.Millisecond
	behind = 2 * time.Second
)

// presentFor is how old a presence may be.
const presentFor = 10 * time.Second

func (r *report) vantages(f Facts) {
	var regions []string
	for _, v := range f.Topology.Vantages {
		what := "vantage " + v.Name
		if !slices.Contains(regions, v.Region) {
			regions = append(regions, v.Region)
		}
		i := slices.IndexFunc(f.Presences, func(p schemas.Presence) bool { return p.Vantage == v.Name })
		if i < 0 || f.Now.Sub(f.Presences[i].At) > presentFor {
			r.add(Fail, what, "not there", "is its prober running, and does it reach the bus?")
			continue
		}
		p := f.Presences[i]
		evidence := fmt.Sprintf("reaches %d of %d anchors", p.AnchorsReachable, p.Anchors)
		level, advice := OK, ""
		if !p.Sighted {
			level, advice = Warn, "it is blind, and accuses nobody until it reaches half of its anchors"
		}
		if offset, known := f.Clocks[v.Name]; known {
			evidence += fmt.Sprintf(", clock within %s of the bus's", ago(offset.Abs()))
			if offset > ahead || offset < -behind {
				level, advice = Warn, "set its clock by NTP: verdicts of a clock that is off are taken for old or too new"
			}
		}
		r.add(level, what, evidence, advice)
	}
	switch n := len(f.Topology.Vantages); {
	case n == 1:
		r.add(Warn, "vantages", "there is one", "one prober can not tell a lost region from its own lost link: run one in every region and one outside")
	case n > 1 && len(regions) == 1:
		r.add(Warn, "vantages", fmt.Sprintf("all %d are in the same region", n), "they go blind together: run one in every region and one outside")
	}
}

func (r *report) app(f Facts, a schemas.App) {
	what := "app " + a.Name
	route, routed := f.Routes[a.Name]
	if lease, held := f.Leases[a.Name]; held {
		r.add(OK, what, lease.Holder+" stands over it", "")
	} else {
		r.add(Fail, what, "no failover-actuator stands over it", "is one running, and does it read its targets? its /readyz and log tell")
	}
	if !routed {
		r.add(Fail, what, "it has no route", "the failover-actuator writes the first once it has read the targets")
		return
	}
	r.health(f, a, what, route)
	if n := a.Failover.MinVantages; n > len(f.Topology.Vantages) {
		r.add(Fail, what, fmt.Sprintf("failover.min_vantages is %d, and there are %d vantages", n, len(f.Topology.Vantages)), "no quorum can ever be reached: lower it or add vantages")
	}
	r.ranking(f, a, what, route)
	for _, i := range f.Images {
		if i.App == a.Name && !i.Verified() {
			r.add(Warn, what, fmt.Sprintf("%s does not hold %s: %s %s", i.Region, i.Variant, i.Parity, i.Error), "it is copied again until it is there; no traffic goes there before")
		}
	}
}

func (r *report) health(f Facts, a schemas.App, what string, route schemas.Route) {
	active := "traffic in " + route.Active.String() + ": "
	down, sighted, accusing := gate.Down(gate.Votes(a, route.Active.Region, f.Verdicts, f.Presences, f.Now), a.Failover.Quorum, a.Failover.MinVantages)
	says := fmt.Sprintf("%d of %d sighted vantages say down", accusing, sighted)
	switch {
	case down:
		r.add(Fail, what, active+says, "leeward failover status tells why it is still there")
	case sighted < a.Failover.MinVantages:
		r.add(Fail, what, fmt.Sprintf("%s%d vantages are sighted and %d are needed", active, sighted, a.Failover.MinVantages), "until then nothing can be confirmed, and nothing moves by itself")
	case accusing > 0:
		r.add(Warn, what, active+says, "not enough to move by; leeward failover plan shows who")
	default:
		r.add(OK, what, active+says, "")
	}
}

// ranking says whether there is somewhere to go.
func (r *report) ranking(f Facts, a schemas.App, what string, route schemas.Route) {
	level := Fail
	if a.Mode != "auto" {
		r.add(OK, what, "in mode "+a.Mode+": decisions are recorded and nothing is moved", "")
		level = Warn
	}
	ranking, ranked := f.Rankings[a.Name]
	limit := a.Failover.MaxRankingAge.D()
	advice := "is the ranker running, and does ClickHouse answer? until then only a request that names a region moves anything"
	switch age := f.Now.Sub(ranking.At); {
	case !ranked:
		r.add(level, what, "it is not ranked", advice)
		return
	case age > limit:
		r.add(level, what, fmt.Sprintf("its ranking is %s old, more than %s", ago(age), limit), advice)
		return
	case !ranking.Of(f.Topology):
		r.add(level, what, "its ranking was made for another topology", "it is made anew within seconds; else "+advice)
		return
	}
	i := slices.IndexFunc(ranking.Orders, func(o schemas.Order) bool { return o.Active == route.Active.Region })
	if i < 0 {
		r.add(level, what, "nothing is ranked for traffic in "+route.Active.Region, "leeward apply a topology in which the app has an endpoint there")
		return
	}
	var eligible, why []string
	for _, c := range ranking.Orders[i].Candidates {
		if c.Region == route.Active.Region {
			continue
		}
		if c.Eligible {
			eligible = append(eligible, c.String())
			continue
		}
		for _, g := range c.Gates {
			if g.Result != schemas.Pass {
				why = append(why, fmt.Sprintf("%s %s: %s", c.Candidate, g.Name, g.Evidence))
				break
			}
		}
	}
	r.lag(what, ranking.Orders[i].Candidates)
	switch len(eligible) {
	case 0:
		r.add(level, what, "there is nowhere to go: "+strings.Join(why[:min(3, len(why))], "; "), "leeward rank "+a.Name+" shows every gate")
	case 1:
		r.add(Warn, what, "there is one place to go: "+eligible[0], "if that is lost too nothing moves; leeward rank "+a.Name+" shows what keeps the others out")
	default:
		r.add(OK, what, fmt.Sprintf("%d places to go, first %s", len(eligible), eligible[0]), "")
	}
}

// lag shows the databases that are too far behind to go to.
func (r *report) lag(what string, candidates []schemas.RankedCandidate) {
	seen := map[string]bool{}
	for _, c := range candidates {
		for _, g := range c.Gates {
			if g.Name == "replication" && g.Result != schemas.Pass && !seen[c.Region] {
				seen[c.Region] = true
				r.add(Warn, what, "database in "+c.Region+": "+g.Evidence, "a failover there would lose what was not replicated, so it is closed; see to the replication")
			}
		}
	}
}
