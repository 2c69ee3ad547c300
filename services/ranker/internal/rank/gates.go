package rank

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// State is what the gates need beside the inputs: what is written in the buckets now.
type State struct {
	Verdicts  []schemas.Verdict    `json:"verdicts"`
	Presences []schemas.Presence   `json:"presences"`
	Images    []schemas.ImageState `json:"images"`
	// Load is what the app's targets are asked for; zero when nobody measures it.
	Load schemas.Load `json:"load"`
	// Overrides are what people ordered, of any app; those that have ended count no more.
	Overrides []schemas.Override `json:"overrides"`
	// Custom are the app's own gates, compiled; nil to have them compiled. They are of the app and no state of their own.
	Custom celgate.Set `json:"-"`
	// Benchmarks are the newest ones of the images.
	Benchmarks []Benchmark `json:"benchmarks,omitempty"`
	// Previous is the app's ranking before this one; zero when there is none.
	Previous schemas.Ranking `json:"previous"`
}

// known is everything a gate may look at.
type known struct{ *facts }

type facts struct {
	in       Inputs
	cells    table
	app      schemas.App
	topology schemas.Topology
	state    State
	// verdicts are the state's, by region.
	verdicts map[string][]schemas.Verdict
	policy   stability.Policy
	counted  []share
	leftOut  []string
	// candidates are all that there could be, running those that have an endpoint.
	candidates []schemas.Candidate
	running    map[schemas.Candidate]bool
	traffic    traffic
	// hasty are the pairs whose round trips are impossible; no cell of theirs is in cells.
	hasty []haste
	own   celgate.Set
	// distances are gates, once they were asked for.
	distances map[[2]string]schemas.Gate
	costs
}

// anywhere are a candidate's gates that are the same wherever traffic is: those before, those after, and those behind all that are not.
type anywhere struct{ before, after, last []schemas.Gate }

// anywhere checks what does not depend on where traffic is, once for all active regions. A gate whose setting is zero is left out.
func (k known) anywhere(c schemas.RankedCandidate) anywhere {
	set := k.app.Gates
	g := anywhere{before: []schemas.Gate{
		running(c),
		gate.Healthy(k.app, c.Candidate, k.verdicts[c.Region], k.state.Presences, k.in.End),
	}}
	if set.MaxAge > 0 {
		g.before = append(g.before, k.fresh(c.Candidate))
	}
	if set.MinSamples > 0 {
		g.before = append(g.before, k.samples(c))
	}
	if len(set.Jurisdictions) > 0 {
		g.after = append(g.after, k.jurisdiction(c.Region))
	}
	if set.RPO > 0 {
		g.after = append(g.after, gate.Replicated(k.app, c.Region, k.state.Verdicts, k.in.End))
	}
	g.after = append(g.after, gate.Image(k.app, c.Candidate, k.state.Images))
	if set.Headroom > 0 {
		g.after = append(g.after, gate.Capacity(k.app, c.Candidate, k.state.Load, k.in.End))
	}
	g.after = append(g.after, gate.Permitted(k.app, c.Candidate, k.state.Overrides, k.in.End))
	return g
}

// gates are the conditions for moving to a candidate when traffic is in the active region.
func (k known) gates(active string, c schemas.RankedCandidate, same anywhere) []schemas.Gate {
	all := append(make([]schemas.Gate, 0, len(same.before)+len(same.after)+len(k.own)+3), same.before...)
	if k.app.Gates.MinDistanceKM > 0 {
		all = append(all, k.away(active, c.Region))
	}
	if k.app.Gates.MaxRTT > 0 {
		all = append(all, k.roundTrip(active, c.Candidate))
	}
	all = append(all, same.after...)
	all = append(all, k.custom(active, c)...)
	return append(all, same.last...)
}

// judge makes a gate of a condition that is known to hold or not.
func judge(name string, holds bool, format string, args ...any) schemas.Gate {
	g := schemas.Gate{Name: name, Result: schemas.Fail, Evidence: fmt.Sprintf(format, args...)}
	if holds {
		g.Result = schemas.Pass
	}
	return g
}

func unknown(name, format string, args ...any) schemas.Gate {
	return schemas.Gate{Name: name, Result: schemas.Unknown, Evidence: fmt.Sprintf(format, args...)}
}

func running(c schemas.RankedCandidate) schemas.Gate {
	if c.Running {
		return judge(gate.Running, true, "has an endpoint")
	}
	return judge(gate.Running, false, "not running: no endpoint")
}

// fresh passes when the newest sample of the candidate that counts is young enough.
func (k known) fresh(c schemas.Candidate) schemas.Gate {
	newest := int64(0)
	for _, s := range k.counted {
		newest = max(newest, k.cells.cell(s.vantage, c, k.app.Objective.Kind).NewestMS)
	}
	if newest == 0 {
		return unknown(gate.Fresh, "no sample in the last %s", k.app.Objective.Window)
	}
	at := time.UnixMilli(newest).UTC()
	age := k.in.End.Sub(at)
	g := judge(gate.Fresh, age <= k.app.Gates.MaxAge.D(), "newest sample %s old, at most %s allowed", age.Round(100*time.Millisecond), k.app.Gates.MaxAge)
	g.Value, g.Threshold = gate.Seconds(age), gate.Seconds(k.app.Gates.MaxAge.D())
	g.EvidenceAt = at
	return g
}

// samples passes when the candidate has as many samples as the gate asks for and every cell has as many as the quantile needs.
func (k known) samples(c schemas.RankedCandidate) schemas.Gate {
	counted, leftOut := k.countedFor(c.Candidate), slices.Clone(k.leftOut)
	for _, h := range k.hasteTo(c.Candidate) {
		leftOut = append(leftOut, fmt.Sprintf("%s (%s)", h.vantage, h))
	}
	without := ""
	if len(leftOut) > 0 {
		without = ", without " + strings.Join(leftOut, ", ")
	}
	if !c.Enough {
		g := judge(gate.Samples, false, "%d samples from %d vantages, not %d in every cell%s", c.Samples, len(counted), needed(k.app.Objective.Quantile), without)
		g.Value, g.Threshold = k.lacking(c.Candidate, counted)
		return g
	}
	g := judge(gate.Samples, c.Samples >= uint64(k.app.Gates.MinSamples), "%d samples from %d vantages, %d needed%s", c.Samples, len(counted), k.app.Gates.MinSamples, without)
	g.Value, g.Threshold = gate.Quantity(float64(c.Samples), "samples"), gate.Quantity(float64(k.app.Gates.MinSamples), "samples")
	return g
}

// lacking is what a candidate's cost has too little of, and how much it needs: samples in the cell that has fewest, or blocks.
func (k known) lacking(c schemas.Candidate, counted []share) (value, threshold string) {
	fewest, least := uint64(0), needed(k.app.Objective.Quantile)
	for i, t := range terms(k.cells, k.app, c, counted) {
		if i == 0 || t.cell.worth < fewest {
			fewest = t.cell.worth
		}
	}
	if fewest >= least {
		return gate.Quantity(math.Floor(k.blocks.count), "blocks"), gate.Quantity(minBlocks, "blocks")
	}
	return gate.Quantity(float64(fewest), "samples per cell"), gate.Quantity(float64(least), "samples per cell")
}

// away is the gate of the distance between two regions, which all variants share.
func (k known) away(active, region string) schemas.Gate {
	between := [2]string{active, region}
	g, ok := k.distances[between]
	if !ok {
		g = k.distance(active, region)
		k.distances[between] = g
	}
	return g
}

// distance passes when the candidate's region is far enough from the active one to be another failure domain.
func (k known) distance(active, region string) schemas.Gate {
	if active == region {
		return judge(gate.Distance, true, "is the active region")
	}
	from, known := k.topology.Region(active)
	to, also := k.topology.Region(region)
	if !known || !also {
		return unknown(gate.Distance, "the location is not known")
	}
	km := from.Location.DistanceKM(to.Location)
	g := judge(gate.Distance, km >= k.app.Gates.MinDistanceKM, "%.0f km from %s, at least %.0f needed", km, active, k.app.Gates.MinDistanceKM)
	g.Value, g.Threshold = gate.Quantity(math.Round(10*km)/10, "km"), gate.Quantity(k.app.Gates.MinDistanceKM, "km")
	return g
}

// roundTrip passes when the median round trip from the active region's vantages to the candidate is short enough.
// Lost round trips count as longer than all others. A region that is gone has no vantage left that measures: then the last judgement that was measured holds for a day.
func (k known) roundTrip(active string, c schemas.Candidate) schemas.Gate {
	if active == c.Region {
		return judge(gate.RoundTrip, true, "is the active region")
	}
	var measured Histogram
	var newest int64
	kind := ""
	for _, kind = range roundTripKinds {
		if measured, newest = k.roundTrips(active, c, kind); measured.Samples() > 0 {
			break
		}
	}
	limit := k.app.Gates.MaxRTT.D()
	if measured.Samples() == 0 {
		if wrong := k.hasteFrom(active, c); wrong != "" {
			return unknown(gate.RoundTrip, "%s", wrong)
		}
		if last, ok := k.lastRoundTrip(active, c, limit); ok {
			return last
		}
		return unknown(gate.RoundTrip, "no round trip measured from %s", active)
	}
	median := measured.quantile(0.5, k.in.TimeoutUS)
	g := judge(gate.RoundTrip, !median.censored && median.us <= float64(limit.Microseconds()),
		"median %.1f ms by %s from %s, %s", median.us/1000, kind, active, allowed(limit))
	g.Value, g.Threshold = gate.Milliseconds(time.Duration(median.us*1000)), gate.Milliseconds(limit)
	if median.censored {
		// The median is of those that failed.
		g.Value = "lost"
		g.Evidence = fmt.Sprintf("%d of %d round trips by %s from %s failed", measured.Failures, measured.Samples(), kind, active)
	}
	g.EvidenceAt = time.UnixMilli(newest).UTC()
	return g
}

func allowed(limit time.Duration) string { return fmt.Sprintf("at most %s allowed", limit) }

// remembered is how long a round trip that can not be measured any more still counts: distances change slowly.
const remembered = 24 * time.Hour

// lastRoundTrip is the gate of the ranking before, with the age of its evidence, if it was judged by the same limit.
func (k known) lastRoundTrip(active string, c schemas.Candidate, limit time.Duration) (schemas.Gate, bool) {
	for _, o := range k.state.Previous.Orders {
		for _, old := range o.Candidates {
			if o.Active != active || old.Candidate != c {
				continue
			}
			for _, g := range old.Gates {
				if g.Name == gate.RoundTrip && g.Result != schemas.Unknown && k.in.End.Sub(g.EvidenceAt) <= remembered && strings.HasSuffix(g.Evidence, allowed(limit)) {
					return g, true
				}
			}
		}
	}
	return schemas.Gate{}, false
}

// roundTripKinds are the kinds of sample that are one round trip, the better first.
var roundTripKinds = []string{schemas.KindICMP.String(), schemas.KindTCP.String()}

func (k known) roundTrips(active string, c schemas.Candidate, kind string) (all Histogram, newest int64) {
	var blocks []Histogram
	for _, v := range k.topology.Vantages {
		if v.Region == active {
			cell := k.cells.cell(v.Name, c, kind)
			blocks = append(blocks, cell.Blocks...)
			newest = max(newest, cell.NewestMS)
		}
	}
	return merge(blocks), newest
}

func (k known) jurisdiction(region string) schemas.Gate {
	r, ok := k.topology.Region(region)
	if !ok || r.Jurisdiction == "" {
		return unknown(gate.Jurisdiction, "the region's jurisdiction is not known")
	}
	allowed := k.app.Gates.Jurisdictions
	g := judge(gate.Jurisdiction, slices.Contains(allowed, r.Jurisdiction), "%s; allowed: %s", r.Jurisdiction, strings.Join(allowed, ", "))
	g.Value, g.Threshold = r.Jurisdiction, strings.Join(allowed, ", ")
	return g
}

// Outdated says whether a gate has turned since a ranking that turns within seconds: how far a region's database is behind, or what a person ordered.
// A ranking that does not say so would be believed.
func Outdated(r schemas.Ranking, app schemas.App, state State, now time.Time) bool {
	if len(r.Orders) == 0 {
		return false
	}
	return slices.ContainsFunc(r.Orders[0].Candidates, func(c schemas.RankedCandidate) bool {
		return turned(c, gate.Permitted(app, c.Candidate, state.Overrides, now)) ||
			app.Gates.RPO > 0 && turned(c, gate.Replicated(app, c.Region, state.Verdicts, now))
	})
}

// turned says whether a candidate was ranked by another result of a gate.
func turned(c schemas.RankedCandidate, g schemas.Gate) bool {
	return slices.ContainsFunc(c.Gates, func(old schemas.Gate) bool { return old.Name == g.Name && old.Result != g.Result })
}
