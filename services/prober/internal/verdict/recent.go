package verdict

import (
	"fmt"
	"math"
	"time"
)

// remembered is how many rounds the objective is judged by.
const remembered = 20

// recent is how the latest rounds were beside the objective.
type recent struct {
	slow [remembered]bool
	// rounds are those that were seen, remembered at most; next is the place of the next.
	rounds, next int
	// beyond says that the objective is missed: clearly once it was met, at all once it was missed.
	beyond bool
}

// add adds a round. It was slow when its fastest variant took longer than the objective allows, or none answered.
func (r recent) add(l Look, p Policy) recent {
	if p.MaxLatency <= 0 {
		return recent{}
	}
	r.slow[r.next] = !l.Good() || time.Duration(l.LatencyUS)*time.Microsecond > p.MaxLatency
	r.next, r.rounds = (r.next+1)%remembered, min(r.rounds+1, remembered)
	allowed := float64(r.rounds) * (1 - p.Quantile)
	// Two standard deviations above what a region on its objective has: one slow answer more than allowed is chance.
	clear := allowed + 2*math.Sqrt(allowed*p.Quantile)
	switch n := float64(r.count()); {
	case n <= allowed:
		r.beyond = false
	case r.rounds == remembered && n > clear:
		r.beyond = true
	}
	return r
}

func (r recent) count() (slow int) {
	for _, s := range r.slow[:r.rounds] {
		if s {
			slow++
		}
	}
	return slow
}

func (r recent) reason(p Policy) string {
	return fmt.Sprintf("%d of the last %d rounds failed or took longer than %s; the objective allows %.0f %%", r.count(), r.rounds, p.MaxLatency, 100*(1-p.Quantile))
}
