package stats

import (
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// layout is what the counts of an app depend on.
type layout struct {
	blockMS, windowMS int64
	// cost are the kinds of sample that the cost counts, block by block, and gate those that only the round-trip gate reads, between commas.
	cost, gate string
}

func layoutOf(app schemas.App) layout {
	in := rank.NewInputs(app, "", time.Time{})
	l := layout{blockMS: in.BlockMS, windowMS: in.WindowMS, cost: ",", gate: ","}
	for _, k := range kinds {
		switch {
		case rank.Counts(app, k):
			l.cost += k + ","
		case app.Gates.MaxRTT > 0 && (k == schemas.KindICMP.String() || k == schemas.KindTCP.String()):
			l.gate += k + ","
		}
	}
	return l
}

// kinds are those that a ranking may count.
var kinds = []string{schemas.KindICMP.String(), schemas.KindTCP.String(), schemas.KindHTTP.String(), schemas.KindDBWrite.String()}

func (l layout) costs(kind string) bool { return strings.Contains(l.cost, ","+kind+",") }
func (l layout) counts(kind string) bool {
	return l.costs(kind) || strings.Contains(l.gate, ","+kind+",")
}

// kinds are those that it counts.
func (l layout) kinds() []string {
	return slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return !l.counts(k) })
}

// scope is what an app's ranking asks for: the regions of its vantages, its endpoints, and its regions.
type scope struct {
	vantages  map[string]string
	endpoints map[schemas.Candidate]bool
	regions   map[string]bool
}

func newScope(app schemas.App, vantages []schemas.Vantage) scope {
	s := scope{map[string]string{}, map[schemas.Candidate]bool{}, map[string]bool{}}
	for _, v := range vantages {
		s.vantages[v.Name] = v.Region
	}
	for _, e := range app.Endpoints {
		s.endpoints[e.Candidate()] = true
	}
	for _, r := range app.Regions() {
		s.regions[r] = true
	}
	return s
}

// has says whether the ranking asks for a cell. A gate asks only vantages inside a region, and a region's database has no variant.
func (s scope) has(k key, costs bool) bool {
	region, ok := s.vantages[k.vantage]
	if !ok || !costs && region == "" {
		return false
	}
	if k.variant == "" {
		return s.regions[k.region]
	}
	return s.endpoints[schemas.Candidate{Region: k.region, Variant: k.variant}]
}

// span is what is read for all apps of a topology together.
type span struct {
	now, from time.Time
	vantages  []string
	// kinds are those that any app counts.
	kinds []string
}

// memory is for how much longer than in its window it is known how many samples a minute has had, so that each minute of a short window is compared, too.
const memory = 3 * time.Minute

func spanOf(layouts map[string]layout, vantages []schemas.Vantage, now time.Time) span {
	s := span{now: now}
	longest := int64(0)
	for _, l := range layouts {
		longest = max(longest, l.windowMS+l.blockMS)
		s.kinds = append(s.kinds, l.kinds()...)
	}
	slices.Sort(s.kinds)
	s.kinds = slices.Compact(s.kinds)
	for _, v := range vantages {
		s.vantages = append(s.vantages, v.Name)
	}
	s.from = now.Add(-time.Duration(longest)*time.Millisecond - memory)
	return s
}

// mark is how far a vantage's samples are held: those of messages up to sequence, and all that the bus stored before since, in seconds since 1970.
type mark struct {
	sequence uint64
	since    int64
}

// marks are those of all vantages that have samples. A vantage's are stored in the order of their messages; vantages may have streams, and so numbers, of their own.
type marks map[string]mark

func (m marks) move(vantage string, sequence uint64) {
	one := m[vantage]
	one.sequence = max(one.sequence, sequence)
	m[vantage] = one
}

// least is the number that every new message of the vantages is beyond.
func (m marks) least(vantages []string) uint64 {
	least := m[vantages[0]].sequence
	for _, v := range vantages {
		least = min(least, m[v].sequence)
	}
	return least
}
