package anomaly_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

var (
	regions  = []string{"dallas", "frankfurt", "london", "mumbai", "tokyo"}
	vantages = []string{"dallas", "frankfurt", "london", "madrid", "tokyo"}
	kinds    = []string{"http", "icmp", "tcp", "tls"}
)

// start is the number of the simulation's first minute.
const start = 29_000_000

// trouble is what a fault does to a cell in a minute: latencies are multiplied, and a share of samples is lost beside the usual.
type trouble func(c anomaly.Cell, minute int) (factor, loss float64)

// world makes minutes of 200 cells: five vantages, five regions, two variants, four kinds. Successive minutes are correlated, paths share part of their noise, minutes are outliers
// now and then, latencies have a daily shape, and losses come in bursts.
type world struct {
	random *rand.Rand
	cells  []anomaly.Cell
	// base, noise and phase belong to a cell, shared to a path.
	base, noise, phase []float64
	shared             map[string]float64
	// phi is the correlation of successive minutes.
	phi      float64
	trouble  trouble
	detector *anomaly.Detector
	minute   int
	// added is told of every minute, blind are vantages that measure nothing.
	added func(anomaly.Cell, int64, anomaly.Minute)
	blind map[string]bool
}

const (
	// spread is the deviation of a minute's log median.
	spread = 0.04
	each   = 12 // samples a minute
)

func newWorld(seed uint64, t trouble) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 7)), phi: 0.5, shared: map[string]float64{}, trouble: t, detector: anomaly.NewDetector(nil)}
	for _, v := range vantages {
		for _, r := range regions {
			base := 2 + 200*w.random.Float64()
			for _, variant := range []string{"single", "slim"} {
				for _, k := range kinds {
					w.cells = append(w.cells, anomaly.Cell{App: "shop", Region: r, Variant: variant, Vantage: v, Kind: k})
					w.base = append(w.base, base*(1+w.random.Float64()))
					w.noise = append(w.noise, 0)
					w.phase = append(w.phase, 2*math.Pi*w.random.Float64())
				}
			}
		}
	}
	return w
}

// pass makes one minute and looks at it.
func (w *world) pass() []schemas.AnomalyDetected {
	for _, v := range vantages {
		for _, r := range regions {
			w.shared[v+r] = w.phi*w.shared[v+r] + math.Sqrt(1-w.phi*w.phi)*w.random.NormFloat64()
		}
	}
	number := int64(start + w.minute)
	for i, c := range w.cells {
		m := w.measure(i, c)
		if w.blind[c.Vantage] {
			continue
		}
		w.detector.Add(c, number, m)
		if w.added != nil {
			w.added(c, number, m)
		}
	}
	w.minute++
	return w.detector.Look(number, time.Unix((number+1)*60+10, 0).UTC())
}

func (w *world) measure(i int, c anomaly.Cell) anomaly.Minute {
	w.noise[i] = w.phi*w.noise[i] + math.Sqrt(1-w.phi*w.phi)*w.random.NormFloat64()
	deviation := spread * (0.6*w.shared[c.Vantage+c.Region] + 0.8*w.noise[i])
	deviation += 0.15 * math.Sin(w.phase[i]+2*math.Pi*float64(w.minute)/1440)
	tail := 0.15 + 0.08*math.Abs(w.random.NormFloat64())
	if w.random.Float64() < 0.01 {
		deviation += 1.5 * w.random.ExpFloat64() // an outlier of the median
	}
	if w.random.Float64() < 0.03 {
		tail += 1.5 * w.random.ExpFloat64() // of the tail alone
	}
	lost := 0.002
	if w.random.Float64() < 0.003 {
		lost = 0.5
	}
	factor, loss := w.trouble(c, w.minute)
	m := anomaly.Minute{Samples: each}
	for range each {
		if w.random.Float64() < lost+loss {
			m.Failures++
		}
	}
	if m.Failures < each {
		m.P50MS = w.base[i] * math.Exp(deviation) * factor
		m.P95MS = m.P50MS * math.Exp(tail)
	}
	return m
}

func calm(anomaly.Cell, int) (float64, float64) { return 1, 0 }

func said(e schemas.AnomalyDetected) string {
	return fmt.Sprintf("%s %s: %+v, %d of %d cells from %d of %d vantages since minute %d of %v %s", e.ID, e.State, e.Scope, e.Moved, e.Of, e.MovedVantages, e.OfVantages,
		e.Since.Unix()/60-start, e.Cells[0].Measures, e.Reason)
}
