package advise

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// primaries compares the regions as places for traffic and the primary database, the best first: those that could be left come before those that could not.
func primaries(all []played) ([]Primary, error) {
	type seen struct {
		costs, failovers []float64
		fewest           int
	}
	regions := map[string]*seen{}
	for _, p := range all {
		local, err := rank.WithLocalWrites(p.stored)
		if err != nil {
			return nil, err
		}
		cost := cheapest(local.Orders, func(c schemas.RankedCandidate) bool { return c.Running && c.Enough })
		for _, o := range p.Orders {
			ms, known := cost[o.Active]
			if !known {
				continue
			}
			s := regions[o.Active]
			if s == nil {
				s = &seen{fewest: math.MaxInt}
				regions[o.Active] = s
			}
			s.costs = append(s.costs, ms)
			others := cheapest([]schemas.Order{o}, func(c schemas.RankedCandidate) bool { return c.Eligible && c.Enough && c.Region != o.Active })
			s.fewest = min(s.fewest, len(others))
			if len(others) > 0 {
				s.failovers = append(s.failovers, slices.Min(slices.Collect(maps.Values(others))))
			}
		}
	}
	found := []Primary{}
	for region, s := range regions {
		p := Primary{Region: region, CostMS: median(s.costs), Failovers: s.fewest}
		if len(s.failovers) > 0 {
			p.FailoverMS = median(s.failovers)
		}
		found = append(found, p)
	}
	slices.SortFunc(found, func(a, b Primary) int {
		return cmp.Or(cmp.Compare(min(b.Failovers, 1), min(a.Failovers, 1)), cmp.Compare(a.CostMS, b.CostMS), cmp.Compare(a.Region, b.Region))
	})
	return found, nil
}

// cheapest is the lowest cost of each region among the candidates that are wanted.
func cheapest(orders []schemas.Order, wanted func(schemas.RankedCandidate) bool) map[string]float64 {
	all := map[string]float64{}
	for _, o := range orders[:min(1, len(orders))] {
		for _, c := range o.Candidates {
			if ms, known := all[c.Region]; wanted(c) && (!known || c.CostMS < ms) {
				all[c.Region] = c.CostMS
			}
		}
	}
	return all
}
