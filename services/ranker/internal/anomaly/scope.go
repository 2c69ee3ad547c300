package anomaly

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// The dimensions of a cell, as bits. A lower one is preferred where two name the same cells.
const (
	byRegion = 1 << iota
	byVantage
	byApp
	byVariant
	byKind
	allDimensions = 1<<5 - 1
)

// most is the share of a scope's cells that must have moved for the scope to be what they have in common.
const most = 0.75

// scope is values of some dimensions; the others are empty.
type scope struct {
	dimensions uint
	Cell
}

// within keeps some dimensions of a cell. What is measured of a region as a whole has no variant to share.
func within(dimensions uint, c Cell) scope {
	if c.Variant == "" {
		dimensions &^= byVariant
	}
	for i, field := range []*string{&c.Region, &c.Vantage, &c.App, &c.Variant, &c.Kind} {
		if dimensions&(1<<i) == 0 {
			*field = ""
		}
	}
	return scope{dimensions, c}
}

// scopes are all that a cell is in.
func scopes(c Cell) []scope {
	var all []scope
	for d := range uint(allDimensions + 1) {
		if s := within(d, c); s.dimensions == d {
			all = append(all, s)
		}
	}
	return all
}

// group are cells that moved and what they have in common.
type group struct {
	scope     scope
	moved, of []Cell
}

// common puts found cells together: again and again the scope is taken that explains the most moved cells, among those of whose cells three in four or more have moved.
// Of scopes with the same cells the one with the fewest dimensions is named. A cell that has no company stands for itself.
func common(found []Cell, moved map[Cell]schemas.AnomalyCell, all []Cell) []group {
	if len(found) == 0 {
		return nil
	}
	cells := map[scope][]Cell{}
	for _, c := range all {
		for _, s := range scopes(c) {
			cells[s] = append(cells[s], c)
		}
	}
	explained := map[Cell]bool{}
	var groups []group
	for _, c := range found {
		for !explained[c] {
			g := widest(found, cells, moved, explained)
			if len(g.of) == 0 {
				// Where a region as a whole is measured by a kind that its variants are measured by, too, its cell's own scope has theirs as well.
				g = alone(c)
			}
			for _, k := range g.of {
				explained[k] = true
			}
			groups = append(groups, g)
		}
	}
	return groups
}

// alone is a cell that stands for itself.
func alone(c Cell) group { return group{within(allDimensions, c), []Cell{c}, []Cell{c}} }

// widest is the best scope of the found cells that are not explained yet.
func widest(found []Cell, cells map[scope][]Cell, moved map[Cell]schemas.AnomalyCell, explained map[Cell]bool) (best group) {
	seen, record := map[scope]bool{}, 0
	for _, c := range found {
		if explained[c] {
			continue
		}
		for _, s := range scopes(c) {
			if seen[s] {
				continue
			}
			seen[s] = true
			if g, news := weigh(s, cells[s], moved, explained); news > record || news > 0 && news == record && simpler(s, best.scope) {
				record, best = news, g
			}
		}
	}
	return best
}

// weigh says how many moved cells a scope would explain that are not explained yet; 0 when it is not what they have in common.
func weigh(s scope, of []Cell, moved map[Cell]schemas.AnomalyCell, explained map[Cell]bool) (group, int) {
	g, news := group{scope: s, of: of}, 0
	for _, k := range of {
		if _, ok := moved[k]; ok {
			g.moved = append(g.moved, k)
			if !explained[k] {
				news++
			}
		}
	}
	lone := len(g.moved) == 1 && s != within(allDimensions, g.moved[0])
	if lone || float64(len(g.moved)) < most*float64(len(of)) {
		return g, 0
	}
	return g, news
}

func simpler(a, b scope) bool {
	return cmp.Or(cmp.Compare(bits.OnesCount(a.dimensions), bits.OnesCount(b.dimensions)), cmp.Compare(a.dimensions, b.dimensions)) < 0
}

// scopeOf and its inverse are between this package's words and the event's.
func scopeOf(s schemas.AnomalyScope) scope {
	c := Cell{App: s.App, Region: s.Region, Variant: s.Variant, Vantage: s.Vantage, Kind: s.Kind}
	dimensions := uint(0)
	for i, v := range []string{c.Region, c.Vantage, c.App, c.Variant, c.Kind} {
		if v != "" {
			dimensions |= 1 << i
		}
	}
	return scope{dimensions, c}
}

func (s scope) event() schemas.AnomalyScope {
	return schemas.AnomalyScope{Vantage: s.Vantage, Region: s.Region, App: s.App, Variant: s.Variant, Kind: s.Kind}
}

func (s scope) has(c Cell) bool { return within(s.dimensions, c) == s }

// contains says whether every cell of the other scope is one of this.
func (s scope) contains(o scope) bool {
	return s.dimensions&o.dimensions == s.dimensions && s.has(o.Cell)
}

// vantages counts whose cells they are.
func vantages(cells []Cell) int {
	return len(distinct(cells, func(c Cell) string { return c.Vantage }))
}

func distinct(cells []Cell, of func(Cell) string) []string {
	var names []string
	for _, c := range cells {
		names = append(names, of(c))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
