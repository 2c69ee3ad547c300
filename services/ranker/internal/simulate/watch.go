package simulate

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

const (
	// settled is when an app has been watched for long enough that its published choice holds.
	settled = time.Hour
	// glance is the time between two rankings that are watched for changes; a change counts by what is new in its window, so that more of them find the same.
	glance = 30 * time.Second
	// patience is how long a shift is waited for.
	patience = 2 * time.Hour
	// regression is by how much a region gets slower in a shift.
	regression = 1.3
)

// watch ranks a world again and again, each time with the ranking before.
type watch struct {
	stream   *Stream
	previous schemas.Ranking
}

func newWatch(w World, random *rand.Rand) *watch {
	o := &watch{stream: NewStream(w, random)}
	o.stream.Advance(w.app().Objective.Window.D())
	return o
}

// step lets time pass and returns the order that is published then, with traffic in the first region.
func (o *watch) step(ctx context.Context, span time.Duration) (schemas.Order, error) {
	if ctx.Err() != nil {
		return schemas.Order{}, ctx.Err()
	}
	o.stream.Advance(span)
	in, err := o.stream.Inputs()
	if err != nil {
		return schemas.Order{}, err
	}
	w := o.stream.world
	state := w.state(in.End)
	state.Previous = o.previous
	r, err := rank.Compute(in, w.app(), w.Topology, state)
	if err != nil {
		return schemas.Order{}, err
	}
	o.previous = r.Ranking
	return o.previous.Orders[0], nil
}

// Changes counts how often the published choice of a world changes in a time, once it has settled.
func Changes(ctx context.Context, w World, random *rand.Rand, span time.Duration) (n int, err error) {
	o := newWatch(w, random)
	var choice schemas.Candidate
	for o.stream.now < settled+span {
		order, err := o.step(ctx, glance)
		if err != nil {
			return n, err
		}
		if o.stream.now > settled && choice != (schemas.Candidate{}) && order.Choice != choice {
			n++
		}
		choice = order.Choice
	}
	return n, nil
}

// Shift slows the region of a world's choice down once it has settled, and returns after what time another is published.
func Shift(ctx context.Context, w World, random *rand.Rand) (took time.Duration, found bool, err error) {
	o := newWatch(w, random)
	var order schemas.Order
	for o.stream.now < settled {
		if order, err = o.step(ctx, glance); err != nil {
			return 0, false, err
		}
	}
	from, choice := o.stream.now, order.Choice
	o.stream.world = o.stream.world.slowed(choice.Region, from)
	for took < patience {
		if order, err = o.step(ctx, slice); err != nil {
			return took, false, err
		}
		if took = o.stream.now - from; order.Choice != choice {
			return took, true, nil
		}
	}
	return took, false, nil
}

// slowed is the world in which a region is slower from a time on.
func (w World) slowed(region string, from time.Duration) World {
	last := w.Regimes[len(w.Regimes)-1].Links
	next := Regime{From: from}
	for _, row := range last {
		row = slices.Clone(row)
		for c, e := range w.app().Endpoints {
			if e.Region == region {
				row[c] = row[c].scaled(regression)
			}
		}
		next.Links = append(next.Links, row)
	}
	w.Regimes = append(slices.Clone(w.Regimes), next)
	return w
}

// Watched is what became of apps that were watched through time: two equal regions beside the active one.
type Watched struct {
	Apps  int     `json:"apps"`
	Hours float64 `json:"hours"`
	// FlapsPerDay is how often the published choice changed though nothing had.
	FlapsPerDay float64 `json:"flaps_per_day"`
	// Shifts are by the quantile that counts, the lowest first.
	Shifts []Shifts `json:"shifts"`
}

// Shifts are regressions of 30 % in apps of one quantile.
type Shifts struct {
	Quantile float64 `json:"quantile"`
	Apps     int     `json:"apps"`
	// Found is the share of apps in which another choice was published within two hours, and WithinFive within five minutes.
	Found      float64 `json:"found"`
	WithinFive float64 `json:"found_in_5_minutes"`
	// Minutes to find it, for those that were found.
	MedianMinutes float64 `json:"median_minutes"`
	P90Minutes    float64 `json:"p90_minutes"`
}

// seen is what became of one app.
type seen struct {
	quantile float64
	changes  int
	took     time.Duration
	found    bool
}

func (o Options) watched(all []seen) *Watched {
	w := &Watched{Apps: len(all), Hours: o.Hours}
	changes, by := 0, map[float64][]seen{}
	for _, s := range all {
		changes += s.changes
		by[s.quantile] = append(by[s.quantile], s)
	}
	w.FlapsPerDay = share(float64(changes)*24, o.Hours*float64(len(all)))
	for _, q := range slices.Sorted(maps.Keys(by)) {
		w.Shifts = append(w.Shifts, shifts(q, by[q]))
	}
	return w
}

func shifts(quantile float64, all []seen) Shifts {
	s := Shifts{Quantile: quantile, Apps: len(all)}
	var minutes []float64
	quick := 0
	for _, one := range all {
		if one.found {
			minutes = append(minutes, one.took.Minutes())
		}
		if one.found && one.took <= 5*time.Minute {
			quick++
		}
	}
	s.Found, s.WithinFive = share(float64(len(minutes)), float64(len(all))), share(float64(quick), float64(len(all)))
	if len(minutes) > 0 {
		slices.Sort(minutes)
		s.MedianMinutes = share(stat.Quantile(0.5, stat.Empirical, minutes, nil), 1)
		s.P90Minutes = share(stat.Quantile(0.9, stat.Empirical, minutes, nil), 1)
	}
	return s
}
