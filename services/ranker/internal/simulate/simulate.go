package simulate

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Options say what is simulated.
type Options struct {
	Seed uint64
	// Windows is how many worlds are ranked once each, and how many pairs of equal candidates.
	Windows int
	// Apps is how many apps are watched through time, each for Hours.
	Apps  int
	Hours float64
	// Progress is told what part is done.
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
	FalseWins float64 `json:"aa_false_wins"`
}

// The streams of random numbers, one for each kind of run.
const (
	forWorlds = iota + 1
	forPairs
)

// Run simulates. The same options give the same report on any machine.
func Run(ctx context.Context, m backtest.Matrix, o Options) (Report, error) {
	if o.Windows < 1 {
		return Report{}, errors.New("at least one window is needed")
	}
	worlds, pairs := make([]tally, o.Windows), make([]tally, o.Windows)
	err := each(ctx, 2*o.Windows, o.Progress, func(i int) (err error) {
		if i < o.Windows {
			worlds[i], err = window(Fabricate(m, o.random(forWorlds, i)), o.random(forWorlds, i+o.Windows))
		} else {
			i -= o.Windows
			pairs[i], err = window(Pair(Fabricate(m, o.random(forPairs, i))), o.random(forPairs, i+o.Windows))
		}
		return err
	})
	if err != nil {
		return Report{}, err
	}
	return o.report(sum(worlds), sum(pairs)), nil
}

func (o Options) random(kind uint64, i int) *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, kind<<32|uint64(i)))
}

// each calls do for every number below n, on all processors.
func each(ctx context.Context, n int, progress func(done, total int), do func(int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return do(i)
		})
		if progress != nil {
			progress(i+1, n)
		}
	}
	return g.Wait()
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
	t.judge(w, w.Truth(s.now), r, estimates)
	return t, nil
}

// Pair leaves two equal candidates of a world: the first endpoint, and another region that is like it.
func Pair(w World) World {
	var twin World
	twin.Shock, twin.Topology = w.Shock, w.Topology
	twin.Topology.Regions = w.Topology.Regions[:2]
	links := make([][]Link, len(w.Topology.Vantages))
	for v := range links {
		one := w.Regimes[0].Links[v][0]
		links[v] = []Link{one, one}
	}
	twin.Regimes = []Regime{{Links: links}}
	twin.deploy(1, w.app().Objective.Quantile)
	return twin
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

var _ = time.Second
