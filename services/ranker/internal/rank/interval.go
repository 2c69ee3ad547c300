package rank

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leeward-failover/leeward/schemas"
)

// level is the probability that an interval holds the truth, and that two equal candidates are a tie.
const level = 0.95

// Estimate is a candidate's cost in milliseconds and what its interval is made of.
type Estimate struct {
	schemas.Candidate
	CostMS   float64
	Censored bool
	Enough   bool
	limitMS  float64
	// up and down are, block by block, by how much the block's luck has moved the cost, if to either side.
	up, down []float64
	// rounding is the deviation that comes from counting in bins; equal latencies are rounded alike, so that it does not average out over vantages.
	rounding float64
	noise    noise
}

// noise says how far the blocks of an app's window can be trusted to be independent.
type noise struct {
	// factor turns the sum of the blocks' squared luck into the variance of the cost.
	factor float64
	// freedom is the degrees of freedom of that variance.
	freedom float64
	// usual is the quantile of Student's t for level.
	usual float64
}

// Interval is where the cost is with the given probability.
func (e Estimate) Interval(level float64) (low, high float64) {
	t := e.noise.t(level)
	low = e.CostMS - t*math.Sqrt(e.noise.factor*residue(e.down)+e.rounding*e.rounding)
	high = e.CostMS + t*math.Sqrt(e.noise.factor*residue(e.up)+e.rounding*e.rounding)
	return rounded(max(0, low)), rounded(max(e.CostMS, min(high, e.limitMS)))
}

// t is how many deviations to either side hold the truth with the given probability.
func (n noise) t(probability float64) float64 {
	switch {
	case n.freedom <= 0:
		return 0
	case probability == level && n.usual > 0:
		return n.usual
	}
	return distuv.StudentsT{Sigma: 1, Nu: n.freedom}.Quantile((1 + probability) / 2)
}

func squares(all []float64) (sum float64) {
	for _, x := range all {
		sum += x * x
	}
	return sum
}

// noiseOf estimates how much the luck of one block is that of the next, from many series together, since one has too few blocks to tell.
// It sums the autocorrelations of the first lags. Each is too low by the variance of the mean, because the luck of the blocks adds up to nothing; that is put back.
func noiseOf(series [][]float64, blocks int) noise {
	n := float64(blocks)
	if n < 2 {
		return noise{}
	}
	sum, counted, far := 0.0, 0.0, min(lags, blocks/3)
	for _, luck := range series {
		luck = steady(luck)
		total := squares(luck)
		if total == 0 {
			continue
		}
		counted++
		for k := 1; k <= far; k++ {
			for b := k; b < len(luck); b++ {
				sum += luck[b] * luck[b-k] / total
			}
		}
	}
	inflation := 1.0
	if counted > 0 {
		// What solves: inflation = 1 + 2 * (r * (1 - inflation/n) + far * inflation/n).
		r := sum / counted
		inflation = (1 + 2*r) / (1 - 2*(float64(far)-r)/n)
		if math.IsNaN(inflation) { // nothing by nothing, as three blocks of luck x, -x and 0 have it: they say nothing
			inflation = most
		}
		inflation = min(max(1, inflation), most, n/2)
	}
	common := noise{factor: inflation / (1 - inflation/n), freedom: max(min(3, n-1), (n-1)/1.5/inflation)}
	common.usual = common.t(level)
	return common
}

// lags is in how many blocks after it the luck of one is looked for, where a window has enough.
const lags = 4

// most is the most by which lasting luck is taken to inflate a variance.
const most = 4.0

// liveBlocks are the blocks in which any of the cells has a sample.
func liveBlocks(in Inputs, all [][]term) []int {
	lives := make([]bool, in.Blocks())
	for _, terms := range all {
		for _, t := range terms {
			for b := range t.cell.Blocks {
				h := &t.cell.Blocks[b]
				lives[b] = lives[b] || h.Failures > 0 || len(h.Counts) > 0
			}
		}
	}
	var live []int
	for b, yes := range lives {
		if yes {
			live = append(live, b)
		}
	}
	return live
}
