package anomaly

import (
	"cmp"
	"math"
	"slices"
)

// materialLoss is the rise of the share of failures that is worth telling.
const materialLoss = 0.02

// tally counts failures of samples.
type tally struct{ failures, samples float64 }

func (t tally) rate() float64 { return t.failures / max(t.samples, 1) }

// lossier tests whether more of the newest samples failed than of those before.
//
// The newest count is referred to its beta-binomial distribution given the baseline's, with Jeffreys' prior, so a baseline without any failure has an answer, too. Failures come in bursts, and a lone
// burst is no change: of the newest minutes only the better half counts, three of five, and of the baseline all but the worst tenth. What still is more than binomial divides both counts.
func lossier(before, now []tally) result {
	if len(before) < least || len(now) < enough {
		return result{p: 1}
	}
	before, now = best(before, len(before)-len(before)/10), best(now, (len(now)+1)/2)
	base, recent := sum(before), sum(now)
	if recent.rate()-base.rate() < materialLoss {
		return result{tested: true, p: 1}
	}
	over := overdispersion(before, base.rate())
	return result{tested: true, p: exceeding(
		tally{math.Floor(recent.failures / over), math.Ceil(recent.samples / over)},
		tally{base.failures / over, base.samples / over})}
}

// best are the n minutes with the fewest failures.
func best(minutes []tally, n int) []tally {
	sorted := slices.Clone(minutes)
	slices.SortFunc(sorted, func(a, b tally) int { return cmp.Compare(a.rate(), b.rate()) })
	return sorted[:n]
}

func sum(all []tally) (s tally) {
	for _, t := range all {
		s.failures, s.samples = s.failures+t.failures, s.samples+t.samples
	}
	return s
}

// overdispersion is Pearson's statistic by minute, at least 1.
func overdispersion(minutes []tally, rate float64) float64 {
	if rate == 0 || rate == 1 {
		return 1
	}
	chi := 0.0
	for _, m := range minutes {
		d := m.failures - m.samples*rate
		chi += d * d / (m.samples * rate * (1 - rate))
	}
	return max(1, chi/float64(len(minutes)-1))
}

// exceeding is the chance of as many failures as were counted, or more, when the rate is only known from the baseline.
func exceeding(now, base tally) float64 {
	a, b := base.failures+0.5, base.samples-base.failures+0.5
	p := 0.0
	for x := now.failures; x <= now.samples; x++ {
		p += math.Exp(choose(now.samples, x) + beta(x+a, now.samples-x+b) - beta(a, b))
	}
	return min(p, 1)
}

// choose and beta are logarithms.
func choose(n, k float64) float64 { return -math.Log(n+1) - beta(n-k+1, k+1) }

func beta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}
