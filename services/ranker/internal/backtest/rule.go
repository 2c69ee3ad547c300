package backtest

import (
	"math"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

// rule takes the costs of the next week, NaN for what is not eligible, and returns its choice among them.
type rule func(costs []float64) int

// warmUp is how many weeks a rule sees before its choices count.
const warmUp = 8

// best is the cheapest that is eligible, or -1 if none is.
func best(costs []float64) int {
	chosen := -1
	for i, c := range costs {
		if !math.IsNaN(c) && (chosen < 0 || c < costs[chosen]) {
			chosen = i
		}
	}
	return chosen
}

// among is the best by a score of the past, of those that are eligible this week.
func among(score, costs []float64) int {
	allowed := make([]float64, len(costs))
	for i := range costs {
		allowed[i] = score[i]
		if math.IsNaN(costs[i]) {
			allowed[i] = math.NaN()
		}
	}
	return best(allowed)
}

// published is the ranker's own rule.
func published(regions []string) rule {
	var s stability.State
	return func(costs []float64) int {
		order := make([]schemas.RankedCandidate, len(costs))
		for i, c := range costs {
			order[i] = schemas.RankedCandidate{Candidate: schemas.Candidate{Region: regions[i]}}
			if !math.IsNaN(c) {
				order[i].CostMS, order[i].LowMS, order[i].HighMS, order[i].Eligible, order[i].Enough = c, c, c, true, true
			}
		}
		var d stability.Decision
		s, d = stability.Default.Decide(s, order)
		for i, region := range regions {
			if region == d.Choice.Region {
				return i
			}
		}
		return -1
	}
}

// baselines are the rules that the ranker is compared with.
var baselines = map[string]func() rule{
	"last_value": func() rule { return best },
	"ewma_0.3":   func() rule { return ewma(0.3) },
	"hold_1ms":   func() rule { return hold(1) },
	"static":     static,
}

// ewma chooses by an average in which the newest week weighs alpha.
func ewma(alpha float64) rule {
	var mean []float64
	return func(costs []float64) int {
		if mean == nil {
			mean = make([]float64, len(costs))
			copy(mean, costs)
		}
		for i, c := range costs {
			switch {
			case math.IsNaN(mean[i]):
				mean[i] = c
			case !math.IsNaN(c):
				mean[i] += alpha * (c - mean[i])
			}
		}
		return among(mean, costs)
	}
}

// hold keeps its choice unless the week's best is more than margin better.
func hold(margin float64) rule {
	choice := -1
	return func(costs []float64) int {
		b := best(costs)
		if b < 0 {
			return b
		}
		if choice < 0 || math.IsNaN(costs[choice]) || costs[choice]-costs[b] > margin {
			choice = b
		}
		return choice
	}
}

// static chooses by the mean of the first weeks.
func static() rule {
	var sum, weeks []float64
	seen := 0
	return func(costs []float64) int {
		if sum == nil {
			sum, weeks = make([]float64, len(costs)), make([]float64, len(costs))
		}
		mean := make([]float64, len(costs))
		for i, c := range costs {
			if seen < warmUp && !math.IsNaN(c) {
				sum[i] += c
				weeks[i]++
			}
			mean[i] = sum[i] / weeks[i]
		}
		seen++
		return among(mean, costs)
	}
}
