package rank

import (
	"math"
	"math/rand/v2"
	"slices"
)

// draw makes the bootstrap's resamples: each says how often every block counts. Only blocks that hold samples are drawn.
// All candidates use the same draws, so that a slow minute which hit all of them makes none look worse than another.
func draw(in Inputs, live []int) [][]int {
	random := rand.New(rand.NewPCG(in.Seed, uint64(in.Draws)))
	all := make([][]int, in.Draws)
	for d := range all {
		all[d] = make([]int, in.Blocks())
		for range live {
			all[d][live[random.IntN(len(live))]]++
		}
	}
	return all
}

// liveBlocks are the blocks in which any of the cells has a sample.
func liveBlocks(in Inputs, all [][]term) []int {
	var live []int
	for b := range in.Blocks() {
		if slices.ContainsFunc(all, func(terms []term) bool {
			return slices.ContainsFunc(terms, func(t term) bool { return b < len(t.cell.Blocks) && t.cell.Blocks[b].Samples() > 0 })
		}) {
			live = append(live, b)
		}
	}
	return live
}

// estimateOf is the cost of a candidate with its 95 % interval. The interval is never narrower than the bins the latencies were counted in.
func estimateOf(in Inputs, terms []term, q float64, drawn [][]int, live int) estimate {
	once := make([]int, in.Blocks())
	for i := range once {
		once[i] = 1
	}
	var e estimate
	e.cost, e.censored = costOf(in, terms, q, once)
	e.low, e.high = e.cost, e.cost
	if len(drawn) > 0 {
		costs := make([]float64, len(drawn))
		for d, times := range drawn {
			costs[d], _ = costOf(in, terms, q, times)
		}
		slices.Sort(costs)
		cut := int(tail(live) * float64(len(costs)))
		e.low, e.high = min(e.low, costs[cut]), max(e.high, costs[len(costs)-1-cut])
	}
	return estimate{rounded(e.cost), rounded(e.low / halfBin), rounded(e.high * halfBin), e.censored}
}

// tail is the share of the draws to cut off at each end for a 95 % interval. Intervals cut at 2.5 % come out too narrow when there are few blocks;
// this is the expanded percentile of Hesterberg, "What Teachers Should Know About the Bootstrap", 2015.
func tail(blocks int) float64 {
	n := float64(blocks)
	if n < 2 {
		return 0
	}
	z := studentT(n-1) * math.Sqrt(n/(n-1))
	return math.Erfc(z/math.Sqrt2) / 2
}

// studentT is the 97.5 % point of Student's t by its expansion around the normal distribution (Abramowitz and Stegun 26.7.5).
func studentT(v float64) float64 {
	const z = 1.959963984540054
	g1 := (math.Pow(z, 3) + z) / 4
	g2 := (5*math.Pow(z, 5) + 16*math.Pow(z, 3) + 3*z) / 96
	g3 := (3*math.Pow(z, 7) + 19*math.Pow(z, 5) + 17*math.Pow(z, 3) - 15*z) / 384
	return z + g1/v + g2/(v*v) + g3/(v*v*v)
}
