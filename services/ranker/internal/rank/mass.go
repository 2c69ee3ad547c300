package rank

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// mass is what a cell's histograms say of its distribution: how many measurements lie below each edge of a bin, block by block.
type mass struct {
	// first is the bin whose lower edge the first column is of.
	first int
	// below holds a column for each edge, and in it a number for each block. Failures are below none.
	below [][]float64
	// total is the number of measurements in each block, failures included.
	total []float64
	n     float64
	// near is the edge at which a quantile is looked for first.
	near int
	// limitUS is what a quantile among the failures is at least.
	limitUS float64
}

// newMass counts up a cell's blocks.
func newMass(in Inputs, c Cell) mass {
	whole := merge(c.Blocks)
	m := mass{first: whole.First, total: make([]float64, in.Blocks()), limitUS: float64(in.TimeoutUS)}
	m.below = make([][]float64, len(whole.Counts)+1)
	flat := make([]float64, len(m.below)*len(m.total))
	for j := range m.below {
		m.below[j], flat = flat[:len(m.total):len(m.total)], flat[len(m.total):]
	}
	for b, h := range c.Blocks {
		sum := 0.0
		for j := range whole.Counts {
			sum += float64(h.at(whole.First + j))
			m.below[j+1][b] = sum
		}
		m.total[b] = sum + float64(h.Failures)
	}
	if len(c.TimedOut) > 0 {
		m.wait(c, whole)
	}
	m.n = floats.Sum(m.total)
	return m
}

// wait takes what was given up early to end as that did which took longer and was waited for: Kaplan and Meier, "Nonparametric Estimation from Incomplete
// Observations", 1958. Each block gets its part of the whole and its own influence on it, so that the blocks differ by as much as the estimate is unsure.
func (m *mass) wait(c Cell, whole Histogram) {
	lost := merge(c.TimedOut)
	for b, h := range c.TimedOut {
		m.total[b] += float64(h.Samples())
	}
	n := floats.Sum(m.total)
	risk, survival := n, 1.0
	risks, luck := slices.Clone(m.total), make([]float64, len(m.total))
	for bin := min(whole.First, lost.First); bin < whole.First+len(whole.Counts); bin++ {
		ended := float64(whole.at(bin))
		if ended > 0 {
			survival *= 1 - ended/risk
		}
		for b, h := range c.Blocks {
			mine := float64(h.at(bin))
			if ended > 0 {
				luck[b] += (mine - risks[b]*ended/risk) / risk
			}
			risks[b] -= mine
		}
		for b, h := range c.TimedOut {
			risks[b] -= float64(h.at(bin))
		}
		risk -= ended + float64(lost.at(bin))
		for b := range m.total {
			if bin >= whole.First {
				m.below[bin-whole.First+1][b] = m.total[b]*(1-survival) + n*survival*luck[b]
			}
		}
	}
	if whole.Failures == 0 {
		m.limitUS = edgeUS(max(whole.First+len(whole.Counts), lost.First+len(lost.Counts)-1))
	}
}

// weigh sums a number for each block, each as often as its weight says.
func weigh(numbers, weights []float64) (sum float64) {
	weights = weights[:len(numbers)]
	for b, n := range numbers {
		sum += n * weights[b]
	}
	return sum
}

// point is a place in a distribution: fraction says how much of the mass between the edges before and at edge lies below it.
type point struct {
	us       float64
	edge     int
	fraction float64
	censored bool
}

// quantile finds the q-quantile when each block counts as often as its weight says. Failures count as slower than everything that went well; nothing at all counts as failed.
// Within a bin it runs along a logistic distribution of the latencies' logarithms, which is close to a normal one and cheaper.
func (m mass) quantile(q float64, weights []float64) point {
	total, last := weigh(m.total, weights), len(m.below)-1
	need, edge := q*total, m.near
	to := weigh(m.below[edge], weights)
	for to < need && edge < last {
		edge++
		to = weigh(m.below[edge], weights)
	}
	if to < need || total == 0 {
		return point{us: m.limitUS, edge: last, fraction: 1, censored: true}
	}
	from := 0.0
	for edge > 0 {
		if from = weigh(m.below[edge-1], weights); from < need {
			break
		}
		edge, to = edge-1, from
	}
	if edge == 0 {
		return point{us: edgeUS(m.first)}
	}
	return point{us: m.within(edge, from/total, to/total, q), edge: edge, fraction: (need - from) / (to - from)}
}

// within is the q-quantile in microseconds, which lies between the shares below the edge before and below this one.
func (m mass) within(edge int, from, to, q float64) float64 {
	least := 0.5 / m.n
	low, high := logit(max(from, least)), logit(min(to, 1-least))
	along := 0.5
	if high > low {
		along = min(max((logit(min(max(q, least), 1-least))-low)/(high-low), 0), 1)
	}
	return math.Exp2((float64(m.first+edge-1) + along) / BinsPerOctave)
}

// logit is the quantile of the standard logistic distribution.
func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// edgeUS is the lower edge of a bin.
func edgeUS(bin int) float64 { return math.Exp2(float64(bin) / BinsPerOctave) }

// spread is a cell's quantile and how it depends on the luck of each block.
type spread struct {
	us       float64
	censored bool
	limitUS  float64
	// luck is, block by block, how many measurements too many lie below the quantile, as a share of all.
	luck []float64
	// up and down say by how many microseconds the quantile moves for each such share, to either side.
	up, down float64
	// rounding is the standard deviation that comes from counting in bins, in microseconds.
	rounding float64
}

// spread looks at the density within one standard error of sampling: the luck of whole blocks, which is larger, moves the distribution rather than along it.
func (m *mass) spread(q float64) spread {
	once := slices.Repeat([]float64{1}, len(m.total))
	at := m.quantile(q, once)
	m.near = at.edge
	s := spread{us: at.us, censored: at.censored, limitUS: m.limitUS, luck: make([]float64, len(m.total))}
	if m.n == 0 {
		return s
	}
	share := 0.0
	for b := range s.luck {
		s.luck[b] = m.below[at.edge][b]
		if at.edge > 0 {
			s.luck[b] = m.below[at.edge-1][b] + at.fraction*(m.below[at.edge][b]-m.below[at.edge-1][b])
		}
		share += s.luck[b] / m.n
	}
	for b := range s.luck {
		s.luck[b] = (s.luck[b] - share*m.total[b]) / m.n
	}
	h := math.Sqrt(q * (1 - q) / m.n)
	s.up = (m.quantile(min(q+h, 1), once).us - at.us) / h
	s.down = (at.us - m.quantile(max(q-h, 0), once).us) / h
	s.rounding = m.rounding(at)
	return s
}

// rounding is large where few bins hold everything: then nobody knows where in the bin the latencies are. How many do is told by the inverse of Simpson's index.
func (m *mass) rounding(at point) float64 {
	if at.censored || at.edge == 0 {
		return 0
	}
	all, squared, before := 0.0, 0.0, 0.0
	for _, column := range m.below {
		below := floats.Sum(column)
		squared += (below - before) * (below - before)
		all, before = below, below
	}
	few := (manyBins - all*all/squared) / (manyBins - 1)
	return max(0, few) * at.us * math.Ln2 / BinsPerOctave / math.Sqrt(12)
}

// manyBins is how many bins tell the place of a quantile between their edges well enough.
const manyBins = 4
