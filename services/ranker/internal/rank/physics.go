package rank

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// fibreKMPerSecond is how fast light is in glass: two thirds of its speed in a vacuum. No cable is straighter than the great circle.
const fibreKMPerSecond = 200_000

// pair is a vantage and a candidate that it measures.
type pair struct {
	vantage   string
	candidate schemas.Candidate
}

// haste is a round trip that was shorter than light allows: a location is wrong, or something nearer than the candidate answered.
type haste struct {
	pair
	kind            string
	measured, least float64 // milliseconds
	km              float64
}

func (h haste) String() string {
	return fmt.Sprintf("%.1f ms by %s from %s, at least %.1f ms possible over %.0f km", h.measured, h.kind, h.vantage, h.least, h.km)
}

// warning is what people are told of it.
func (h haste) warning() string {
	return fmt.Sprintf("%s: %s: a location or the measurement is wrong; it is left out", h.candidate, h)
}

// hasty finds the pairs whose shortest round trip of the window is impossible, each once, in the order of the cells.
func hasty(in Inputs, t schemas.Topology) []haste {
	var all []haste
	far := map[[2]string]float64{}
	for i := range in.Cells {
		c := &in.Cells[i]
		p := pair{c.Vantage, c.Candidate}
		if c.Kind != schemas.KindHTTP.String() && !slices.Contains(roundTripKinds, c.Kind) || slices.ContainsFunc(all, func(h haste) bool { return h.pair == p }) {
			continue
		}
		between := [2]string{p.vantage, p.candidate.Region}
		km, known := far[between]
		if !known {
			km = apart(t, p)
			far[between] = km
		}
		bin, measured := lowest(c.Blocks)
		least := 2 * km / fibreKMPerSecond * 1000
		// By the upper edge of the lowest bin, so that what is only counted coarsely is not suspected.
		if measured && math.Exp2(float64(bin+1)/BinsPerOctave)/1000 < least {
			all = append(all, haste{p, c.Kind, binCentre(bin) / 1000, least, km})
		}
	}
	return all
}

// apart is how far a vantage's region is from a candidate's; 0 when that is not known.
func apart(t schemas.Topology, p pair) float64 {
	v, _ := t.Vantage(p.vantage)
	from, known := t.Region(v.Region)
	to, also := t.Region(p.candidate.Region)
	if !known || !also {
		return 0
	}
	return from.Location.DistanceKM(to.Location)
}

// lowest is the bin of the shortest latency in a cell.
func lowest(blocks []Histogram) (bin int, measured bool) {
	bin = maxBins
	for i := range blocks {
		if b := &blocks[i]; len(b.Counts) > 0 {
			bin = min(bin, b.First)
		}
	}
	return bin, bin < maxBins
}

// without returns the inputs without the cells of pairs.
func (in Inputs) without(pairs []haste) Inputs {
	if len(pairs) == 0 {
		return in
	}
	in.Cells = slices.DeleteFunc(slices.Clone(in.Cells), func(c Cell) bool {
		return slices.ContainsFunc(pairs, func(h haste) bool { return h.pair == pair{c.Vantage, c.Candidate} })
	})
	return in
}

// hasteTo are the impossible round trips to a candidate.
func (k known) hasteTo(c schemas.Candidate) []haste {
	return slices.DeleteFunc(slices.Clone(k.hasty), func(h haste) bool { return h.candidate != c })
}

// countedFor are the vantages that a candidate's cost is of, their weights adding up to 1: all that count, less those whose round trips to it are impossible.
func (k known) countedFor(c schemas.Candidate) []share {
	gone := k.hasteTo(c)
	if len(gone) == 0 {
		return k.counted
	}
	return normalised(slices.DeleteFunc(slices.Clone(k.counted), func(s share) bool {
		return slices.ContainsFunc(gone, func(h haste) bool { return h.vantage == s.vantage })
	}))
}

// hasteFrom says which round trips from the active region's vantages to a candidate are impossible, for evidence.
func (k known) hasteFrom(active string, c schemas.Candidate) string {
	var found []string
	for _, h := range k.hasteTo(c) {
		if v, _ := k.topology.Vantage(h.vantage); v.Region == active {
			found = append(found, h.String())
		}
	}
	return strings.Join(found, "; ")
}

// warnings are what people are told of the measurements.
func (k known) warnings() []string {
	var all []string
	for _, h := range k.hasty {
		all = append(all, h.warning())
	}
	return append(all, k.traffic.warnings()...)
}
