package anomaly

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// material and materialMS are the rise of a latency that is worth telling, as a share and in milliseconds; what is less is no anomaly, however sure it is.
	material   = 0.1
	materialMS = 1
	// finest is the smallest scale of log latency that is believed: the sketches are within 1 %.
	finest = 0.01
	// confident is the level at which the change-point test has to agree.
	confident = 0.05
	// lookback is how many minutes back a change is looked for.
	lookback = 30
)

// result is what a test says of a measure of a cell.
type result struct {
	// tested is whether there was enough to compare; p is 1 where nothing speaks for a change.
	tested bool
	p      float64
	// since is how many minutes before the newest one the change began.
	since int
}

// rise tests whether the newest minutes of a latency are above the minutes before them.
//
// The latency is taken by its logarithm, so that a rise is a factor. What counts as the new level is the second lowest of the newest minutes: a lone minute that is as before does not hide a
// change, and outliers must be four of five to look like one. Two tests must agree, and the larger p-value is the result:
//
// A robust z: the new level less the baseline's median, in units of how much medians of successive minutes spread within the baseline itself. Medians of whole windows carry the series' own
// autocorrelation, as far as it is shorter than a window, and its daily drift, so neither has to be modelled (subsampling: Politis, Romano and Wolf, 1999). The reference is Student's t with as many
// degrees of freedom as the baseline has windows that do not overlap, less one.
//
// A sign test, which knows no shape of tails: how likely as many of the newest minutes are at the new level or above it, when a minute is as often as in the baseline. It takes minutes for independent.
//
// Both assume something of the tails or of the dependence; the simulation in this package's test has more of both and counts what is found in vain.
func rise(w window) result {
	before, now := present(w.before), present(w.now)
	if len(before) < least || len(now) < enough {
		return result{p: 1}
	}
	slices.Sort(now)
	current := now[1]
	if 2*upTo(before, current-math.Log1p(material)) < len(before) {
		return result{tested: true, p: 1}
	}
	level := median(before)
	if math.Exp(current)-math.Exp(level) < materialMS {
		return result{tested: true, p: 1}
	}
	split := change(w, level, current)
	if split.p > confident {
		return result{tested: true, p: 1}
	}
	t := distuv.StudentsT{Sigma: 1, Nu: float64(len(before))/after - 1}
	p := max(t.Survival((current-level)/scale(w.before, level)), sign(before, len(now), current))
	return result{tested: true, p: p, since: split.since}
}

// sign is the chance that all of n minutes but one are at a level or above it. How often a minute is there is known from the baseline, which is one minute short.
func sign(before []float64, n int, level float64) float64 {
	reached := len(before) + 1 - upTo(before, math.Nextafter(level, math.Inf(-1)))
	minutes := distuv.Binomial{N: float64(n), P: float64(reached) / float64(len(before)+1)}
	return minutes.Survival(float64(n) - 1.5)
}

// upTo counts the values that are not above a limit.
func upTo(values []float64, limit float64) int {
	n := 0
	for _, v := range values {
		if v <= limit {
			n++
		}
	}
	return n
}

// scale is how much the medians of successive minutes spread around the baseline's level.
func scale(values []float64, level float64) float64 {
	spread := make([]float64, 0, len(values))
	for i := range len(values) - after + 1 {
		if some := present(values[i : i+after]); len(some) >= enough {
			spread = append(spread, math.Abs(median(some)-level))
		}
	}
	// Both are the standard deviation of a normal distribution; the larger one also sees tails that are heavier than its.
	return max(finest, quantile(spread, 0.5)/0.6745, quantile(spread, 0.9)/1.6449)
}

// split is a change point: since how many minutes, and how sure it is.
type split struct {
	p     float64
	since int
}

// change dates a change between two levels and tests it. The date is where a cumulative sum of what the values are above the middle of the levels begins to rise for good, each value counting
// for no more than the distance of the levels, so that outliers move it little. The test is that of Mann and Whitney at that date, its variance inflated by the autocorrelation of the ranks
// as if they were autoregressive of the first order. Its p-value is not corrected for the search, so it only confirms.
func change(w window, level, current float64) split {
	values := append(slices.Clone(w.before), w.now...)
	middle, most := (level+current)/2, (current-level)/2
	sum, highest, since := 0.0, 0.0, 0
	for back := range lookback {
		if v := values[len(values)-1-back]; !math.IsNaN(v) {
			sum += min(max(v-middle, -most), most)
		}
		if sum > highest {
			highest, since = sum, back
		}
	}
	return split{higher(values, len(values)-1-since, autocorrelation(midranks(w.before))), since}
}

// higher tests whether the values from a cut on have the higher ranks.
func higher(values []float64, cut int, phi float64) float64 {
	m, k, sum := 0.0, 0.0, 0.0
	for i, r := range midranks(values) {
		switch {
		case math.IsNaN(r):
		case i < cut:
			m++
		default:
			k, sum = k+1, sum+r
		}
	}
	if m < least || k < enough {
		return 1
	}
	variance := m * k * (m + k + 1) / 12 * inflation(phi, k)
	return distuv.UnitNormal.Survival((sum - k*(m+k+1)/2) / math.Sqrt(variance))
}

// inflation is by how much autocorrelation raises the variance of a mean of k values.
func inflation(phi, k float64) float64 {
	f, power := 1.0, phi
	for lag := 1.0; lag < k; lag++ {
		f += 2 * (1 - lag/k) * power
		power *= phi
	}
	return f
}

// midranks are the ranks of the values that are there, ties sharing the middle.
func midranks(values []float64) []float64 {
	order := make([]int, 0, len(values))
	ranks := make([]float64, len(values))
	for i, v := range values {
		if ranks[i] = math.NaN(); !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		if values[a] < values[b] {
			return -1
		}
		if values[a] > values[b] {
			return 1
		}
		return 0
	})
	for first := 0; first < len(order); {
		last := first
		for last+1 < len(order) && values[order[last+1]] == values[order[first]] {
			last++
		}
		for i := first; i <= last; i++ {
			ranks[order[i]] = float64(first+last)/2 + 1
		}
		first = last + 1
	}
	return ranks
}

// autocorrelation is that of successive values, not less than 0.
func autocorrelation(values []float64) float64 {
	some := present(values)
	mean := 0.0
	for _, v := range some {
		mean += v / float64(len(some))
	}
	var together, alone float64
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		alone += (v - mean) * (v - mean)
		if i > 0 && !math.IsNaN(values[i-1]) {
			together += (v - mean) * (values[i-1] - mean)
		}
	}
	if alone == 0 {
		return 0
	}
	return min(max(together/alone, 0), 0.95)
}
