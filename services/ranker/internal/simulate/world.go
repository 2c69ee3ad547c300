// Package simulate makes measurements whose truth is known, hands them to the ranking as the ranker would, and counts how often what the ranking claims is so.
package simulate

import (
	"math"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// World is an app with everything that is true of its latencies.
type World struct {
	Topology schemas.Topology
	Shock    Shock
	// Regimes follow each other; the first holds from the start.
	Regimes []Regime
}

// Shock moves all latencies of a vantage, or of a region, together for a minute. The deviations are of logarithms.
type Shock struct {
	Vantage, Region float64
	// Persistence is the correlation of one minute with the next.
	Persistence float64
}

// deviation is that of a cell's shocks together.
func (s Shock) deviation() float64 { return math.Hypot(s.Vantage, s.Region) }

// Regime is how the links are from a time on, by vantage and candidate in the order of the topology's vantages and the app's endpoints.
type Regime struct {
	From  time.Duration
	Links [][]Link
}

func (w World) app() schemas.App { return w.Topology.Apps[0] }

// regime is the number of the regime at a time.
func (w World) regime(at time.Duration) int {
	i := 0
	for i+1 < len(w.Regimes) && w.Regimes[i+1].From <= at {
		i++
	}
	return i
}

// shares says which part of the window that ends at end each regime holds.
func (w World) shares(end time.Duration) []float64 {
	window := w.app().Objective.Window.D()
	all := make([]float64, len(w.Regimes))
	for i, r := range w.Regimes {
		from, to := max(r.From, end-window), end
		if i == 0 {
			from = end - window
		}
		if i+1 < len(w.Regimes) {
			to = min(to, w.Regimes[i+1].From)
		}
		all[i] = max(0, (to-from).Seconds()) / window.Seconds()
	}
	return all
}

// Truth is the cost of each endpoint's candidate in the window that ends at end: the weighted sum of the quantiles of what the links' laws give over the window,
// over all shocks that there might have been. A quantile beyond the time-out counts as the time-out.
func (w World) Truth(end time.Duration) []float64 {
	app := w.app()
	shares := w.shares(end)
	costs := make([]float64, len(app.Endpoints))
	weights := w.weights()
	for c := range costs {
		for v, weight := range weights {
			costs[c] += weight * w.quantile(v, c, shares, app.Objective.Quantile, app.Probe.Timeout.D())
		}
	}
	return costs
}

func (w World) quantile(v, c int, shares []float64, q float64, timeout time.Duration) float64 {
	below := func(ms float64) (sum float64) {
		for i, r := range w.Regimes {
			if shares[i] > 0 {
				sum += shares[i] * r.Links[v][c].below(ms, w.Shock.deviation())
			}
		}
		return sum
	}
	low, high := 1e-3, float64(timeout.Microseconds())/1000
	if below(high) < q {
		return high
	}
	for range 60 {
		if mid := math.Sqrt(low * high); below(mid) < q {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// weights are the vantages' parts of the cost.
func (w World) weights() []float64 {
	all, sum := make([]float64, len(w.Topology.Vantages)), 0.0
	for i, v := range w.Topology.Vantages {
		if all[i] = v.Weight; v.Weight == 0 {
			all[i] = 1
		}
		sum += all[i]
	}
	for i := range all {
		all[i] /= sum
	}
	return all
}

// state is one in which every vantage sees everything up and every region holds its images, so that only the costs decide.
func (w World) state(at time.Time) rank.State {
	app := w.app()
	var s rank.State
	for _, v := range w.Topology.Vantages {
		s.Presences = append(s.Presences, schemas.Presence{Vantage: v.Name, Sighted: true, At: at})
		for _, r := range w.Topology.Regions {
			verdict := schemas.Verdict{Vantage: v.Name, App: app.Name, Region: r.Name, Health: schemas.Up, At: at}
			for _, one := range app.Variants {
				verdict.Variants = append(verdict.Variants, schemas.VariantHealth{Variant: one.Name, OK: true})
			}
			s.Verdicts = append(s.Verdicts, verdict)
		}
	}
	for _, c := range app.Candidates(w.Topology) {
		s.Images = append(s.Images, schemas.ImageState{App: app.Name, Variant: c.Variant, Region: c.Region, Parity: "verified", Since: at,
			Digest: "sha256:" + strings.Repeat("0", 64)})
	}
	return s
}
