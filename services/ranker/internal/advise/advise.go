// Package advise reads what was measured, ranked and moved of an app, and lists what its owner should look at. It changes nothing.
package advise

import (
	"encoding/json"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// Report is what there is to say of an app.
type Report struct {
	App   string    `json:"app"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Rankings is how many rankings the span holds, Played how many of them were computed again.
	Rankings  uint64      `json:"rankings"`
	Played    int         `json:"played"`
	Barred    []Barred    `json:"never_eligible"`
	Dominated []Dominated `json:"dominated"`
	Vantages  []Vantage   `json:"vantages"`
	Primaries []Primary   `json:"primaries"`
	// NoPrimaries is why regions can not be compared as primaries; empty when they are.
	NoPrimaries string   `json:"no_primaries,omitempty"`
	Recovery    Recovery `json:"recovery"`
	Drain       Drain    `json:"drain"`
}

// Dominated is a candidate that another was better than in every ranking.
type Dominated struct {
	schemas.Candidate
	// By is the cheapest of those that were better.
	By schemas.Candidate `json:"by"`
	// Regions are the other regions with a candidate that was better.
	Regions  []string `json:"regions,omitempty"`
	Rankings int      `json:"rankings"`
}

// Vantage is what a vantage adds to the ranking.
type Vantage struct {
	Name string `json:"name"`
	// Changed of Choices would have been others without it.
	Changed int `json:"changed"`
	Choices int `json:"choices"`
	// Twin is the vantage that sees most nearly the same, and Apart the largest difference between the two of any candidate, as a share.
	Twin  string  `json:"twin,omitempty"`
	Apart float64 `json:"apart,omitempty"`
	// Adds is false for a vantage without which every choice would have been the same, and beside which another sees the same.
	Adds bool `json:"adds"`
}

// Primary is a region as the place for traffic and the primary database.
type Primary struct {
	Region string `json:"region"`
	// CostMS is what the region's cheapest candidate costs when its writes stay inside, and FailoverMS the cheapest elsewhere that may be moved to; medians over the rankings.
	CostMS     float64 `json:"cost_ms"`
	FailoverMS float64 `json:"failover_ms,omitempty"`
	// Failovers is the fewest other regions that traffic could move to.
	Failovers int `json:"failovers"`
}

const (
	// few rankings show nothing that is always so.
	few = 3
	// same is how far apart, as a share, two vantages may be that see the same.
	same = 0.1
)

// played is a stored ranking with what came of computing it again.
type played struct {
	stored json.RawMessage
	schemas.Ranking
}

// Of finds in stored rankings, the oldest first, what is so in all of them.
func Of(inputs []json.RawMessage) (Report, error) {
	var r Report
	var all []played
	for _, stored := range inputs {
		again, err := rank.Again(stored)
		if err != nil {
			return r, err
		}
		all = append(all, played{stored, again})
	}
	r.Played = len(all)
	r.Dominated = dominated(all)
	var err error
	if r.Vantages, err = vantages(all); err != nil {
		return r, err
	}
	if r.Primaries, err = primaries(all); err != nil {
		r.NoPrimaries = err.Error()
	}
	return r, nil
}

// measured are the candidates of a ranking whose cost is known. It is the same in every order.
func measured(r schemas.Ranking) map[schemas.Candidate]schemas.RankedCandidate {
	all := map[schemas.Candidate]schemas.RankedCandidate{}
	for _, o := range r.Orders[:min(1, len(r.Orders))] {
		for _, c := range o.Candidates {
			if c.Running && c.Enough {
				all[c.Candidate] = c
			}
		}
	}
	return all
}

func median(values []float64) float64 {
	return stat.Quantile(0.5, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}
