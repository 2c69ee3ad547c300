// Package load turns what targets count into how many requests per second an app is asked for. It is pure: the caller brings the counts and the time.
package load

import "time"

const (
	// Every is how often targets are asked for their counts: what a mean is taken over.
	Every = 10 * time.Second
	// memory is how long a mean counts. A region that dies takes load with it that comes back once traffic has moved.
	memory = 5 * time.Minute
)

// Gauge keeps the means of one app. The zero gauge has none.
type Gauge struct {
	at     time.Time
	counts []uint64
	means  []mean
}

type mean struct {
	at time.Time
	// perSecond is over the time since the counts before.
	perSecond float64
}

// Add takes the counts of all the app's targets and returns the highest mean of the last five minutes, with what each target was asked for since the counts before.
// There is none after the first counts, nor after a target was added, went, or began to count anew.
func (g *Gauge) Add(at time.Time, counts []uint64) (perSecond float64, asked []uint64, known bool) {
	before, since := g.counts, at.Sub(g.at)
	g.at, g.counts = at, counts
	if len(before) != len(counts) || since <= 0 {
		return 0, nil, false
	}
	var sum uint64
	for i, n := range counts {
		if n < before[i] {
			return 0, nil, false
		}
		asked = append(asked, n-before[i])
		sum += asked[i]
	}
	g.means = append(g.means, mean{at, float64(sum) / since.Seconds()})
	for at.Sub(g.means[0].at) > memory {
		g.means = g.means[1:]
	}
	for _, m := range g.means {
		perSecond = max(perSecond, m.perSecond)
	}
	return perSecond, asked, true
}
