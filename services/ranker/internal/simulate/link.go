package simulate

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Outliers are this much slower in the middle, and spread this far, as logarithms: 2.7 times, a third of them more than four times.
const (
	outlierShift  = 1.0
	outlierSpread = 0.5
)

// Link is how the latencies of one cell are distributed: log-normal, with outliers and losses.
type Link struct {
	// MS is the median without outliers.
	MS float64
	// Jitter is the standard deviation of the logarithm of a latency within a minute.
	Jitter float64
	// Outliers and Loss are shares of the measurements.
	Outliers, Loss float64
}

// scaled is the link with latencies that are factor times as long.
func (l Link) scaled(factor float64) Link {
	l.MS *= factor
	return l
}

// lost stands for a measurement that did not end well.
const lost = -1

// draw measures once, while the logarithms of all latencies are shifted by shock. It returns a bin, or lost.
func (l Link) draw(random *rand.Rand, shock float64, timeoutMS float64) int32 {
	u := random.Float64()
	if u < l.Loss {
		return lost
	}
	x := math.Log(l.MS) + shock + l.Jitter*random.NormFloat64()
	if u < l.Loss+(1-l.Loss)*l.Outliers {
		x += outlierShift + outlierSpread*random.NormFloat64()
	}
	if x > math.Log(timeoutMS) {
		return lost
	}
	return max(0, int32(math.Floor((x+math.Log(1000))/math.Ln2*rank.BinsPerOctave)))
}

// below is the share of measurements that end well within ms, over all shocks, whose deviation is shock.
func (l Link) below(ms, shock float64) float64 {
	x := math.Log(ms / l.MS)
	usual := math.Hypot(l.Jitter, shock)
	slow := math.Hypot(usual, outlierSpread)
	n := distuv.UnitNormal
	return (1 - l.Loss) * ((1-l.Outliers)*n.CDF(x/usual) + l.Outliers*n.CDF((x-outlierShift)/slow))
}
