package rank

import (
	"math"
	"slices"
)

// mass is what a cell's histograms say together of its distribution: how many measurements lie below each edge of a bin, each counted as often as its block is. Failures are
// below none.
type mass struct {
	// weights are how often each block counts.
	weights []float64
	// first is the bin whose lower edge is the first.
	first int
	below []float64
	// total is the number of measurements in each block, failures included, and n is that of all.
	total []float64
	n     float64
	// worth is how many measurements that count alike say as much: Kish, "Survey Sampling", 1965.
	worth float64
	// samples and failures are plain counts.
	samples, failures uint64
	// limitUS is what a quantile among the failures is at least.
	limitUS float64
}

// count counts up a cell's blocks in place of another's.
func (m *mass) count(in Inputs, c *Cell) {
	first, bins := extent(c.Blocks)
	m.first, m.limitUS, m.samples, m.failures = first, float64(in.TimeoutUS), 0, 0
	m.below, m.total = zeroes(m.below, bins+1), zeroes(m.total, in.Blocks())
	for b := range c.Blocks {
		h := &c.Blocks[b]
		all, weight := h.Failures, m.weights[b]
		if len(h.Counts) > 0 {
			bins := m.below[h.First-first+1:][:len(h.Counts)]
			for i, n := range h.Counts {
				bins[i] += weight * float64(int64(n))
				all += n
			}
		}
		m.total[b] = weight * float64(all)
		m.samples += all
		m.failures += h.Failures
	}
	for j := range bins {
		m.below[j+1] += m.below[j]
	}
	if len(c.TimedOut) > 0 {
		m.wait(c)
	}
	m.n, m.worth = 0, 0
	squares := 0.0
	for b, n := range m.total {
		m.n += n
		squares += m.weights[b] * n
	}
	if m.n > 0 {
		m.worth = m.n * m.n / squares
	}
}

// zeroes are n of them, in the room of a slice that is used no more.
func zeroes(room []float64, n int) []float64 {
	room = slices.Grow(room[:0], n)[:n]
	clear(room)
	return room
}

// wait takes what was given up early to end as that did which took longer and was waited for.
func (m *mass) wait(c *Cell) {
	if first, bins := extent(c.TimedOut); m.failures == 0 {
		m.limitUS = edgeUS(max(m.first+len(m.below)-1, first+bins-1))
	}
	for b, h := range c.TimedOut {
		n := h.Samples()
		m.total[b] += m.weights[b] * float64(n)
		m.samples += n
		m.failures += n
	}
	below := slices.Clone(m.below)
	newSurvival(*m, c).walk(func(edge int, s survival) { below[edge] = s.n * (1 - s.share) })
	m.below = below
}

// survival is the share of a cell's measurements that have not ended below an edge, with what was given up early: Kaplan and Meier, "Nonparametric Estimation
// from Incomplete Observations", 1958. Each block has its own influence on it, so that the blocks differ by as much as the estimate is unsure.
type survival struct {
	cell         *Cell
	first, edges int
	n, share     float64
	// risk is how many may still end, risks those of each block.
	risk                        float64
	weights, total, risks, luck []float64
}

func newSurvival(m mass, c *Cell) survival {
	s := survival{cell: c, first: m.first, edges: len(m.below), share: 1, weights: m.weights, total: m.total, risks: slices.Clone(m.total), luck: make([]float64, len(m.total))}
	for _, n := range m.total {
		s.n += n
	}
	s.risk = s.n
	return s
}

// walk visits every edge but the first, from below.
func (s survival) walk(visit func(edge int, s survival)) {
	lost, _ := extent(s.cell.TimedOut)
	for bin := min(s.first, lost); bin < s.first+s.edges-1; bin++ {
		s.end(bin)
		if bin >= s.first {
			visit(bin-s.first+1, s)
		}
	}
}

// end lets the measurements of a bin end, and those that were given up in it leave.
func (s *survival) end(bin int) {
	ended, gone := 0.0, 0.0
	for b, h := range s.cell.Blocks {
		ended += s.weights[b] * float64(h.at(bin))
	}
	if ended > 0 {
		s.share *= 1 - ended/s.risk
	}
	for b, h := range s.cell.Blocks {
		mine := s.weights[b] * float64(h.at(bin))
		if ended > 0 {
			s.luck[b] += (mine - s.risks[b]*ended/s.risk) / s.risk
		}
		s.risks[b] -= mine
	}
	for b, h := range s.cell.TimedOut {
		mine := s.weights[b] * float64(h.at(bin))
		gone += mine
		s.risks[b] -= mine
	}
	s.risk -= ended + gone
}

// below is how many measurements of a block have ended.
func (s survival) below(block int) float64 {
	return s.total[block]*(1-s.share) + s.n*s.share*s.luck[block]
}

// point is a place in a distribution: fraction says how much of the mass between the edges before and at edge lies below it.
type point struct {
	us       float64
	edge     int
	fraction float64
	censored bool
}

// quantile finds the q-quantile. Failures count as slower than everything that went well; nothing at all counts as failed.
// Within a bin it runs along a logistic distribution of the latencies' logarithms, which is close to a normal one and cheaper.
func (m mass) quantile(q float64) point {
	need := q * m.n
	edge, _ := slices.BinarySearch(m.below, need)
	switch {
	case edge == len(m.below) || m.n == 0:
		return point{us: m.limitUS, edge: len(m.below) - 1, fraction: 1, censored: true}
	case edge == 0:
		return point{us: edgeUS(m.first)}
	}
	from, to := m.below[edge-1], m.below[edge]
	return point{us: m.within(edge, from/m.n, to/m.n, q), edge: edge, fraction: (need - from) / (to - from)}
}

// within is the q-quantile in microseconds, which lies between the shares below the edge before and below this one.
func (m mass) within(edge int, from, to, q float64) float64 {
	least := 0.5 / m.worth
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

// spread is that of a cell for a quantile.
func (m mass) spread(c *Cell, q float64) spread {
	at := m.quantile(q)
	s := m.slopes(q, at)
	s.luck = make([]float64, len(m.total))
	if !at.censored && at.edge > 0 {
		s.rounding = m.few() * at.us * math.Ln2 / BinsPerOctave / math.Sqrt(12)
	}
	switch {
	case m.n == 0:
		return s
	case len(c.TimedOut) > 0:
		m.survived(c, at, s.luck)
	default:
		m.counted(c, at, s.luck)
	}
	m.centre(s.luck)
	return s
}

// slopes looks at the density within one standard error of sampling: the luck of whole blocks, which is larger, moves the distribution rather than along it.
func (m mass) slopes(q float64, at point) spread {
	s := spread{us: at.us, censored: at.censored, limitUS: m.limitUS}
	if m.n > 0 {
		h := math.Sqrt(q * (1 - q) / m.worth)
		s.up = (m.quantile(min(q+h, 1)).us - at.us) / h
		s.down = (at.us - m.quantile(max(q-h, 0)).us) / h
	}
	return s
}

// counted fills in how many of each block lie below a point.
func (m mass) counted(c *Cell, at point, below []float64) {
	for b := range c.Blocks {
		h := &c.Blocks[b]
		whole := at.edge - 1 + m.first - h.First
		sum := uint64(0)
		for _, n := range h.Counts[:max(0, min(whole, len(h.Counts)))] {
			sum += n
		}
		below[b] = float64(sum)
		if whole >= 0 && whole < len(h.Counts) {
			below[b] += at.fraction * float64(h.Counts[whole])
		}
		below[b] *= m.weights[b]
	}
}

// survived does the same where some were given up early.
func (m mass) survived(c *Cell, at point, below []float64) {
	newSurvival(m, c).walk(func(edge int, s survival) {
		part := 0.0
		switch edge {
		case at.edge - 1:
			part = 1 - at.fraction
		case at.edge:
			part = at.fraction
		}
		if part == 0 {
			return
		}
		for b := range below {
			below[b] += part * s.below(b)
		}
	})
}

// centre turns the numbers below a point into luck.
func (m mass) centre(below []float64) {
	share := 0.0
	for _, n := range below {
		share += n
	}
	share /= m.n
	for b, n := range below {
		below[b] = (n - share*m.total[b]) / m.n
	}
}

// few is how much is not known of the place in a bin: all where one bin holds everything, nothing where enough do. How many do is told by the inverse of Simpson's index.
func (m mass) few() float64 {
	squared, before := 0.0, 0.0
	for _, below := range m.below {
		squared += (below - before) * (below - before)
		before = below
	}
	if squared == 0 {
		return 0
	}
	return max(0, (manyBins-before*before/squared)/(manyBins-1))
}

// manyBins is how many bins tell the place of a quantile between their edges well enough.
const manyBins = 4
