package rank

import (
	"math"
	"sort"
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
	// limitUS is what a quantile among the failures is at least.
	limitUS float64
}

// newMass counts up a cell. A measurement that timed out before the time-out of the others is taken to end where those that took longer did: summed over the blocks,
// that is the estimator of Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations", 1958, by the redistribution of Efron, 1967.
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
			if i := whole.First + j - h.First; i >= 0 && i < len(h.Counts) {
				sum += float64(h.Counts[i])
			}
			m.below[j+1][b] = sum
		}
		m.total[b] = sum + float64(h.Failures)
		m.n += m.total[b]
	}
	return m
}

// share is the part of the measurements below an edge when block b counts weights[b] times.
func (m mass) share(edge int, weights []float64) float64 {
	below, total := 0.0, 0.0
	for b, w := range weights {
		below += w * m.below[edge][b]
		total += w * m.total[b]
	}
	if total == 0 {
		return 0
	}
	return below / total
}

// point is a place in a distribution: fraction says how much of the mass between the edges before and at edge lies below it.
type point struct {
	us       float64
	edge     int
	fraction float64
	censored bool
}

// quantile finds the q-quantile. Failures count as slower than everything that went well; nothing at all counts as failed.
// Within a bin it runs along a normal distribution of the latencies' logarithms, which is exact for log-normal ones.
func (m mass) quantile(q float64, weights []float64) point {
	edge := sort.Search(len(m.below), func(j int) bool { return m.share(j, weights) >= q })
	if edge == len(m.below) || m.n == 0 {
		return point{us: m.limitUS, edge: len(m.below) - 1, fraction: 1, censored: true}
	}
	if edge == 0 {
		return point{us: edgeUS(m.first)}
	}
	from, to := m.share(edge-1, weights), m.share(edge, weights)
	least := 0.5 / m.n
	low, high := normal(max(from, least)), normal(min(to, 1-least))
	along := 0.5
	if high > low {
		along = min(max((normal(min(max(q, least), 1-least))-low)/(high-low), 0), 1)
	}
	return point{us: math.Exp2((float64(m.first+edge-1) + along) / BinsPerOctave), edge: edge, fraction: (q - from) / (to - from)}
}

// normal is the quantile of the standard normal distribution.
func normal(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

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
func (m mass) spread(q float64) spread {
	once := make([]float64, len(m.total))
	for b := range once {
		once[b] = 1
	}
	at := m.quantile(q, once)
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
	s.rounding = m.rounding(at, once)
	return s
}

// rounding is large where a bin holds most of what is around it: then nobody knows where in the bin the latencies are.
func (m mass) rounding(at point, once []float64) float64 {
	if at.censored || at.edge == 0 {
		return 0
	}
	here := m.share(at.edge, once) - m.share(at.edge-1, once)
	around := m.share(min(at.edge+1, len(m.below)-1), once) - m.share(max(at.edge-2, 0), once)
	alone := max(0, here/around-1.0/3) * 1.5
	return alone * at.us * math.Ln2 / BinsPerOctave / math.Sqrt(12)
}
