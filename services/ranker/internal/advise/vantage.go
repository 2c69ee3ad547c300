package advise

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// vantages says of each vantage whether a choice would have been another without it, and which other one sees the same.
func vantages(all []played) ([]Vantage, error) {
	seen := map[string]map[schemas.Candidate][]float64{}
	for _, p := range all {
		sights, err := rank.Sights(p.stored)
		if err != nil {
			return nil, err
		}
		for _, s := range sights {
			if seen[s.Vantage] == nil {
				seen[s.Vantage] = map[schemas.Candidate][]float64{}
			}
			seen[s.Vantage][s.Candidate] = append(seen[s.Vantage][s.Candidate], s.MS)
		}
	}
	found := []Vantage{}
	for name := range seen {
		v := Vantage{Name: name}
		for _, p := range all {
			without, err := rank.Without(p.stored, name)
			if err != nil {
				return nil, err
			}
			for i, o := range p.Orders {
				v.Choices++
				if o.Raw != without.Orders[i].Raw {
					v.Changed++
				}
			}
		}
		v.Twin, v.Apart = twin(name, seen)
		v.Adds = v.Changed > 0 || v.Twin == "" || v.Apart > same
		found = append(found, v)
	}
	slices.SortFunc(found, func(a, b Vantage) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// twin is the other vantage whose medians are nearest to those of the named one, and how far apart the two are where they differ most.
// One that measures other candidates is no twin.
func twin(name string, seen map[string]map[schemas.Candidate][]float64) (nearest string, apart float64) {
	for _, other := range slices.Sorted(maps.Keys(seen)) {
		if other == name || len(seen[other]) != len(seen[name]) {
			continue
		}
		most := 0.0
		for c, values := range seen[name] {
			if theirs := seen[other][c]; len(theirs) == 0 {
				most = math.Inf(1)
			} else {
				most = max(most, math.Abs(math.Log(median(values)/median(theirs))))
			}
		}
		if most = math.Expm1(most); !math.IsInf(most, 1) && (nearest == "" || most < apart) {
			nearest, apart = other, most
		}
	}
	return nearest, math.Round(apart*1000) / 1000
}
