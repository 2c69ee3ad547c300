package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

// most regions and vantages that a fabricated world has.
const most = 6

// Fabricate makes an app on the round trips of some week between some regions. Everything else is drawn: how many variants and vantages there are, which of
// the 0.5, 0.95 and 0.99 quantiles counts, noise and losses.
func Fabricate(m backtest.Matrix, random *rand.Rand) World {
	regions := pick(random, len(m.Regions), 2+random.IntN(min(most, len(m.Regions))-1))
	vantages := pick(random, len(m.Regions), 3+random.IntN(min(most, len(m.Regions))-2))
	var w World
	for _, r := range regions {
		w.Topology.Regions = append(w.Topology.Regions, schemas.Region{Name: m.Regions[r]})
	}
	for _, v := range vantages {
		w.Topology.Vantages = append(w.Topology.Vantages, schemas.Vantage{Name: m.Regions[v], Weight: 0.5 + random.Float64()})
	}
	week := m.Weeks[random.IntN(len(m.Weeks))]
	for !complete(week, vantages, regions) {
		week = m.Weeks[random.IntN(len(m.Weeks))]
	}
	variants := 1 + random.IntN(3)
	common := noisy(random)
	w.Shock = Shock{Vantage: 0.06 * random.Float64(), Region: 0.04 * random.Float64(), Persistence: 0.6 * random.Float64()}
	links := make([][]Link, len(vantages))
	for range variants {
		for _, r := range regions {
			// What a variant takes of its own, before and beside the round trips of a new connection and of the request.
			own, factor := 2+20*random.Float64(), math.Exp(0.03*random.NormFloat64())
			for i, v := range vantages {
				l := common
				l.MS = own + factor*2*max(week[v][r], 0.5)
				links[i] = append(links[i], l)
			}
		}
	}
	w.Regimes = []Regime{{Links: links}}
	w.deploy(variants, []float64{0.5, 0.95, 0.99}[random.IntN(3)])
	return w
}

// pick draws k of n numbers.
func pick(random *rand.Rand, n, k int) []int { return random.Perm(n)[:k] }

func complete(week backtest.Week, from, to []int) bool {
	for _, v := range from {
		for _, r := range to {
			if math.IsNaN(week[v][r]) {
				return false
			}
		}
	}
	return true
}

// noisy draws a link's noise.
func noisy(random *rand.Rand) Link {
	return Link{Jitter: 0.02 + 0.18*random.Float64(), Outliers: 0.03 * random.Float64(), Loss: 0.01 * random.Float64()}
}

// deploy runs an app of as many variants in every region of the topology, variant by variant.
func (w *World) deploy(variants int, quantile float64) {
	app := schemas.App{
		Name: "app", Mode: "auto", Source: schemas.Source{Context: "app"},
		Probe:     schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(2 * time.Second)},
		Objective: schemas.Objective{Kind: schemas.KindHTTP.String(), Quantile: quantile, Window: schemas.Duration(10 * time.Minute)},
		Failover:  schemas.Failover{Quorum: 0.5, MinVantages: 1},
	}
	for i := range variants {
		name := fmt.Sprintf("variant-%d", i+1)
		app.Variants = append(app.Variants, schemas.Variant{Name: name})
		for _, r := range w.Topology.Regions {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: r.Name, Variant: name, HTTP: "http://app"})
		}
	}
	w.Topology.Version, w.Topology.Apps = 1, []schemas.App{app}
}
