package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Options say what is simulated.
type Options struct {
	Seed uint64
	// Runs is how many worlds are ranked once each, and how many pairs of equal regions.
	Runs int
	// Apps is how many apps are watched through time, each for Hours.
	Apps  int
	Hours float64
	// Progress is told how many runs are done, one at a time.
	Progress func(done, total int)
}

// Report says how often what the ranking claimed was so.
type Report struct {
	Seed     uint64     `json:"seed"`
	Windows  int        `json:"windows"`
	Coverage []Coverage `json:"coverage"`
	// Bins and ECE are of P(best): classes of claims and the expected calibration error.
	Bins []Bin   `json:"p_best"`
	ECE  float64 `json:"ece"`
	// FirstBest is the share of windows whose first candidate was the best; Claimed of those in which it won, and ClaimedBest how often it then was the best.
	FirstBest   float64 `json:"first_best"`
	Claimed     float64 `json:"claimed"`
	ClaimedBest float64 `json:"claimed_best"`
	// RegretMS is what the first candidate cost over the best, on average, and ClaimedRegretMS what it was said to.
	RegretMS        float64 `json:"regret_ms"`
	ClaimedRegretMS float64 `json:"claimed_regret_ms"`
	// FalseWins is how often one of two equal candidates was said to win, at a level of 5 %.
	FalseWins float64  `json:"aa_false_wins"`
	Watched   *Watched `json:"watched,omitempty"`
}

// The most that fits into memory, and into a duration of simulated time.
const (
	mostRuns  = 1_000_000
	mostHours = 100_000
)

// The streams of random numbers, one for each kind of run.
const (
	forWorlds = iota + 1
	forPairs
	forWatches
)

// Run simulates. The same options give the same report on any number of processors.
func Run(ctx context.Context, m backtest.Matrix, o Options) (Report, error) {
	if o.Runs < 1 || o.Runs > mostRuns || o.Apps < 0 || o.Apps > mostRuns || o.Apps > 0 && !(o.Hours > 0 && o.Hours <= mostHours) {
		return Report{}, fmt.Errorf("--runs is from 1 to %d, --apps from 0 to %d, and --hours more than 0 and at most %d", mostRuns, mostRuns, mostHours)
	}
	worlds, pairs, watched := make([]tally, o.Runs), make([]tally, o.Runs), make([]seen, o.Apps)
	var runs []func() error
	for i := range o.Runs {
		runs = append(runs, func() (err error) {
			random := o.random(forWorlds, i)
			worlds[i], err = window(Fabricate(m, random), random)
			return err
		}, func() (err error) {
			random := o.random(forPairs, i)
			pairs[i], err = window(Pair(Fabricate(m, random)), random)
			return err
		})
	}
	for i := range o.Apps {
		runs = append(runs, func() (err error) {
			random := o.random(forWatches, i)
			watched[i], err = o.watch(ctx, Pair(Fabricate(m, random)), random)
			return err
		})
	}
	if err := each(ctx, runs, o.Progress); err != nil {
		return Report{}, err
	}
	r := o.report(sum(worlds), sum(pairs))
	if o.Apps > 0 {
		r.Watched = o.watched(watched)
	}
	return r, nil
}

func (o Options) random(kind, i int) *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, uint64(kind)<<32|uint64(i)))
}

// each does every run, on all processors.
func each(ctx context.Context, runs []func() error, progress func(done, total int)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, run := range runs {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return run()
		})
		if progress != nil {
			progress(i+1, len(runs))
		}
	}
	return g.Wait()
}

// watch looks for changes in a world without any, and for one in the same world.
func (o Options) watch(ctx context.Context, w World, random *rand.Rand) (s seen, err error) {
	s.quantile = w.app().Objective.Quantile
	if s.changes, err = Changes(ctx, w, random, time.Duration(o.Hours*float64(time.Hour))); err != nil {
		return s, err
	}
	s.took, s.found, err = Shift(ctx, w, random)
	return s, err
}

// window ranks a world once.
func window(w World, random *rand.Rand) (t tally, err error) {
	s := NewStream(w, random)
	s.Advance(w.app().Objective.Window.D())
	in, err := s.Inputs()
	if err != nil {
		return t, err
	}
	r, err := rank.Compute(in, w.app(), w.Topology, w.state(s.End()))
	if err != nil {
		return t, err
	}
	estimates, err := rank.Estimates(in, w.app(), w.Topology)
	if err != nil {
		return t, err
	}
	t.judge(w, w.Truth(s.now), r.Ranking, estimates)
	return t, nil
}

// Pair leaves two equal regions of a world, and as the first an active one that is twice as far.
func Pair(w World) World {
	twins := World{Shock: w.Shock}
	twins.Topology.Vantages = w.Topology.Vantages
	twins.Topology.Regions = []schemas.Region{{Name: "active"}, {Name: "one"}, {Name: "other"}}
	var links [][]Link
	for _, row := range w.Regimes[0].Links {
		links = append(links, []Link{row[0].scaled(2), row[0], row[0]})
	}
	twins.Regimes = []Regime{{Links: links}}
	twins.deploy(1, w.app().Objective.Quantile)
	return twins
}

func sum(all []tally) (t tally) {
	for _, one := range all {
		t.add(one)
	}
	return t
}

func (o Options) report(worlds, pairs tally) Report {
	n := float64(worlds.windows)
	r := Report{
		Seed: o.Seed, Windows: worlds.windows, ECE: calibration(worlds.bins[:]),
		FirstBest: share(float64(worlds.first), n), Claimed: share(float64(worlds.claimed), n), ClaimedBest: share(float64(worlds.right), float64(worlds.claimed)),
		RegretMS: share(worlds.paid, n), ClaimedRegretMS: share(worlds.promised, n),
		FalseWins: share(float64(pairs.claimed), float64(pairs.windows)),
	}
	for i, c := range worlds.coverage {
		c.Level, c.Share = levels[i], share(float64(c.Held), float64(c.Intervals))
		r.Coverage = append(r.Coverage, c)
	}
	for i, b := range worlds.bins {
		b.From, b.Mean, b.Share = float64(i)/bins, share(b.sum, float64(b.Claims)), share(float64(b.Best), float64(b.Claims))
		r.Bins = append(r.Bins, b)
	}
	return r
}
