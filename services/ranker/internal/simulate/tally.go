package simulate

import (
	"math"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// levels are the nominal levels of the intervals that are judged.
var levels = []float64{0.5, 0.8, 0.9, 0.95, 0.99}

// bins are how many classes of P(best) there are.
const bins = 10

// Coverage says how many intervals of a level held the true cost.
type Coverage struct {
	Level     float64 `json:"level"`
	Intervals int     `json:"intervals"`
	Held      int     `json:"held"`
	Share     float64 `json:"share"`
}

// Bin holds the claims of P(best) in a tenth of its range, and how often they were so.
type Bin struct {
	From   float64 `json:"from"`
	Claims int     `json:"claims"`
	Mean   float64 `json:"mean"`
	Best   int     `json:"best"`
	Share  float64 `json:"share"`

	sum float64
}

// tally counts what became of the claims of many windows.
type tally struct {
	coverage [5]Coverage
	bins     [bins]Bin
	// first counts the windows whose first candidate was truly the best; claimed those in which it was alone in its rank, and right how often it then was the best.
	windows, first, claimed, right int
	// promised and paid are the regrets of the first candidate, as claimed and as they were.
	promised, paid float64
}

// judge compares a window's claims with the truth, which follows the app's endpoints. Candidates that only the best could be mistaken for are counted in the bins:
// the rest has a P(best) of 0 that nobody doubts, and would make the figures look better than they are.
func (t *tally) judge(w World, truth []float64, r schemas.Ranking, estimates []rank.Estimate) {
	costs := map[schemas.Candidate]float64{}
	least := math.Inf(1)
	for i, e := range w.app().Endpoints {
		costs[e.Candidate()] = truth[i]
		least = min(least, truth[i])
	}
	for _, e := range estimates {
		for i, level := range levels {
			low, high := e.Interval(level)
			t.coverage[i].Intervals++
			if c := costs[e.Candidate]; low <= c && c <= high {
				t.coverage[i].Held++
			}
		}
	}
	order := r.Orders[0].Candidates
	for _, c := range order {
		if c.PBest > 0 {
			b := &t.bins[min(int(c.PBest*bins), bins-1)]
			b.Claims++
			b.sum += c.PBest
			if costs[c.Candidate] == least {
				b.Best++
			}
		}
	}
	first := order[0]
	if !first.Enough {
		return
	}
	t.windows++
	t.promised += first.RegretMS
	t.paid += costs[first.Candidate] - least
	if costs[first.Candidate] == least {
		t.first++
	}
	if alone(order) {
		t.claimed++
		if costs[first.Candidate] == least {
			t.right++
		}
	}
}

// alone says whether the first candidate is claimed to win.
func alone(order []schemas.RankedCandidate) bool { return len(order) < 2 || order[1].Rank > 1 }

func (t *tally) add(o tally) {
	for i, c := range o.coverage {
		t.coverage[i].Intervals += c.Intervals
		t.coverage[i].Held += c.Held
	}
	for i, b := range o.bins {
		t.bins[i].Claims += b.Claims
		t.bins[i].Best += b.Best
		t.bins[i].sum += b.sum
	}
	t.windows += o.windows
	t.first += o.first
	t.claimed += o.claimed
	t.right += o.right
	t.promised += o.promised
	t.paid += o.paid
}

// share is a part of a whole, to four digits.
func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return math.Round(part/whole*1e4) / 1e4
}

// calibration is the expected calibration error: how far, on average over the claims, a bin's mean claim lies from what was so.
func calibration(all []Bin) float64 {
	off, n := 0.0, 0
	for _, b := range all {
		off += math.Abs(b.sum - float64(b.Best))
		n += b.Claims
	}
	return share(off, float64(n))
}
