package backtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distmv"
)

// memory is within how many weeks the return of a choice makes the change away from it needless.
const memory = 4

// Options say what is played.
type Options struct {
	// Horizon is how many weeks ahead a choice is judged. Weeks less than five apart share days.
	Horizon int
	// Mixes is how many mixes of clients are drawn for each primary that fails.
	Mixes int
	Seed  uint64
}

// Score says how good a rule's choices were.
type Score struct {
	Decisions int `json:"decisions"`
	// Agreement is the share of choices that were the best at the horizon.
	Agreement    float64 `json:"agreement"`
	MeanRegretMS float64 `json:"mean_regret_ms"`
	P95RegretMS  float64 `json:"p95_regret_ms"`
	Changes      int     `json:"changes"`
	// NeedlessChanges are those whose former choice came back within four weeks.
	NeedlessChanges int `json:"needless_changes"`
}

// Report is the ranker's score beside those of simple rules.
type Report struct {
	Score
	Baselines map[string]Score `json:"baselines"`
}

// Run plays the weeks to the ranker and to the baselines: each region in turn is the primary that failed, for each mix of clients.
func Run(ctx context.Context, m Matrix, o Options) (Report, error) {
	if o.Horizon < 1 || o.Mixes < 1 {
		return Report{}, errors.New("--horizon and --mixes are at least 1")
	}
	if len(m.Weeks)-warmUp <= o.Horizon {
		return Report{}, fmt.Errorf("%d weeks are too few for a warm-up of %d and a horizon of %d", len(m.Weeks), warmUp, o.Horizon)
	}
	ours, others := &tally{horizon: o.Horizon}, map[string]*tally{}
	for name := range baselines {
		others[name] = &tally{horizon: o.Horizon}
	}
	clients := distmv.NewDirichlet(slices.Repeat([]float64{1}, len(m.Regions)), rand.NewPCG(o.Seed, 0))
	seen := Lasting(m.Weeks)
	for primary := range m.Regions {
		for range o.Mixes {
			if ctx.Err() != nil {
				return Report{}, ctx.Err()
			}
			mix := clients.Rand(nil)
			costs := costsOf(m.Weeks, primary, mix)
			ours.play(published(m.Regions), costsOf(seen, primary, mix), costs)
			for name, begin := range baselines {
				others[name].play(begin(), costs, costs)
			}
		}
	}
	r := Report{Score: ours.score(), Baselines: map[string]Score{}}
	for name, t := range others {
		r.Baselines[name] = t.score()
	}
	return r, nil
}

// tally collects what became of a rule's choices.
type tally struct {
	horizon           int
	regrets           []float64
	agreed            int
	changes, needless int
}

// play shows a rule the weeks as it sees them and judges its choices by the costs that came.
func (t *tally) play(choose rule, seen, weeks [][]float64) {
	var choices []int
	for _, costs := range seen[:len(weeks)-t.horizon] {
		choices = append(choices, choose(costs))
	}
	choices = choices[warmUp:]
	for i, choice := range choices {
		then := weeks[warmUp+i+t.horizon]
		// A choice that nobody measured at the horizon can not be judged.
		if choice >= 0 && !math.IsNaN(then[choice]) {
			b := best(then)
			t.regrets = append(t.regrets, then[choice]-then[b])
			if choice == b {
				t.agreed++
			}
		}
		if i > 0 && choice != choices[i-1] {
			t.changes++
			if slices.Contains(choices[i:min(i+1+memory, len(choices))], choices[i-1]) {
				t.needless++
			}
		}
	}
}

func (t *tally) score() Score {
	s := Score{Decisions: len(t.regrets), Changes: t.changes, NeedlessChanges: t.needless}
	if s.Decisions > 0 {
		slices.Sort(t.regrets)
		s.Agreement = rounded(float64(t.agreed) / float64(s.Decisions))
		s.MeanRegretMS = rounded(stat.Mean(t.regrets, nil))
		s.P95RegretMS = rounded(stat.Quantile(0.95, stat.Empirical, t.regrets, nil))
	}
	return s
}

func rounded(x float64) float64 { return math.Round(x*1e6) / 1e6 }
