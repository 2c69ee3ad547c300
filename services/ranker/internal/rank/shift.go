package rank

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/leeward-failover/leeward/schemas"
)

// A shift is looked for in so many of the newest blocks, at least so many of them on either side, where it explains this much of the differences between them.
const (
	recent  = 12
	flanked = 4
	told    = 0.8
)

// slower is the part of its cost by which a choice has to get dearer to be left at once.
const slower = 0.2

// course is how the typical latency of a candidate went through the newest blocks. The median of a block is told by far fewer samples than a quantile among outliers.
type course struct {
	terms []term
	// logs are the logarithms of the medians, a row for each term.
	logs [][]float64
	// series sums them, each weighed by what its term costs: by so many milliseconds would the cost rise if the whole distribution moved as the median does.
	series []float64
}

// newest are the blocks in which a shift is looked for.
func (k known) newest() []int { return k.live[max(0, len(k.live)-recent):] }

func (k known) course(c schemas.Candidate) course {
	blocks := k.newest()
	o := course{terms: terms(k.cells, k.app, c, k.countedFor(c)), series: make([]float64, len(blocks))}
	for _, t := range o.terms {
		usual := k.median(t.cell.Blocks)
		row := make([]float64, len(blocks))
		for i, b := range blocks {
			if row[i] = usual; b < len(t.cell.Blocks) && t.cell.Blocks[b].Samples() > 0 {
				row[i] = k.median(t.cell.Blocks[b : b+1])
			}
			o.series[i] += cost(t) * row[i]
		}
		o.logs = append(o.logs, row)
	}
	return o
}

// median is the logarithm of that of some blocks, with failures as the slowest.
func (k known) median(blocks []Histogram) float64 {
	return math.Log(merge(blocks).quantile(0.5, k.in.TimeoutUS).us)
}

// cost is what a term adds to a cost, in milliseconds.
func cost(t term) float64 { return t.weight * t.cell.spread.us / 1000 }

// rose is by how much a series is higher after a block than before it.
func rose(series []float64, at int) float64 {
	return stat.Mean(series[at+1:], nil) - stat.Mean(series[:at], nil)
}

// split is the block in which a series rises or falls the most clearly, or -1 where nothing is clear. The block itself belongs to neither side.
func split(series []float64) int {
	scatter := func(all []float64) float64 { return stat.Variance(all, nil) * float64(len(all)-1) }
	at, least := -1, (1-told)*scatter(series)
	for b := flanked; b+1+flanked <= len(series); b++ {
		if left := scatter(series[:b]) + scatter(series[b+1:]); left < least {
			at, least = b, left
		}
	}
	return at
}

// rises says whether the candidate may have got so much slower, whatever others did.
func (o course) rises() bool {
	sum := 0.0
	for _, t := range o.terms {
		sum += cost(t)
	}
	for at := flanked; at+1+flanked <= len(o.series); at++ {
		if rose(o.series, at) >= slower/2*sum {
			return true
		}
	}
	return false
}

// shift is how a choice and a candidate changed.
type shift struct {
	// alone is by which part of its cost the choice got dearer, and beside by how much more than the candidate; negative where the candidate did.
	alone, beside float64
	// leadMS is by how much the candidate is cheaper since.
	leadMS float64
}

// shift compares the choice with a candidate before and after a lasting change of their typical latencies. Luck that both had cancels out.
func (k known) shift(choice, c course) (s shift, found bool) {
	apart := make([]float64, len(choice.series))
	for i := range apart {
		apart[i] = choice.series[i] - c.series[i]
	}
	at := split(apart)
	if at < 0 {
		return s, false
	}
	s = k.since(choice, c, at, "")
	return s, s.beside <= -slower || s.regression() && k.seen(choice, c, at)
}

// regression says whether it is the choice that got slower. What a candidate gains by its own is for the slower evidence to tell.
func (s shift) regression() bool { return s.beside >= slower && s.alone >= slower/2 && s.leadMS > 0 }

// seen says whether it is a regression without any one vantage as well: a prober may be sick, or lie.
func (k known) seen(choice, c course, at int) bool {
	return len(k.counted) < 2 || !slices.ContainsFunc(k.counted, func(v share) bool { return !k.since(choice, c, at, v.vantage).regression() })
}

// since compares them without a vantage, if one is named.
func (k known) since(choice, c course, at int, without string) shift {
	was, is := k.around(choice, at, without)
	other, now := k.around(c, at, without)
	return shift{(is - was) / was, (is - was - (now - other)) / was, is - now}
}

// around is the cost before a block, and what it is after it if the quantile moved as the median did.
func (k known) around(o course, at int, without string) (before, after float64) {
	for i, t := range o.terms {
		if t.vantage == without {
			continue
		}
		us := merge(t.cell.Blocks[:min(k.newest()[at], len(t.cell.Blocks))]).quantile(k.app.Objective.Quantile, k.in.TimeoutUS).us
		before += t.weight * us / 1000
		after += t.weight * min(us*math.Exp(rose(o.logs[i], at)), float64(k.in.TimeoutUS)) / 1000
	}
	return before, after
}
