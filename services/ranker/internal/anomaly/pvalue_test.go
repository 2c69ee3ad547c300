package anomaly_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

// TestPValuesAreNotSmallerThanTheChanceTheyStandFor draws series in which nothing changes, and counts how often a test says less than 1 in 100, and less than 1 in 1,000.
func TestPValuesAreNotSmallerThanTheChanceTheyStandFor(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	tails := distuv.StudentsT{Sigma: 0.3, Nu: 3, Src: random}
	previous := 0.0
	correlated := func(phi float64) func() float64 {
		return func() float64 {
			previous = phi*previous + math.Sqrt(1-phi*phi)*random.NormFloat64()
			return 0.3 * previous
		}
	}
	failures := func(p func() float64) func() float64 {
		return func() float64 { return distuv.Binomial{N: 12, P: p(), Src: random}.Rand() }
	}
	for _, c := range []struct {
		name string
		draw func() float64
		loss bool
	}{
		{"independent minutes", correlated(0), false},
		{"correlated minutes", correlated(0.5), false},
		{"minutes with a long memory", correlated(0.8), false},
		{"heavy tails", tails.Rand, false},
		{"failures", failures(func() float64 { return 0.05 }), true},
		{"few failures", failures(func() float64 { return 0.002 }), true},
		{"failures whose rate is restless", failures(func() float64 { return 0.1 * random.Float64() }), true},
	} {
		const series = 20_000
		hundredth, thousandth := 0, 0
		for range series {
			values := make([]float64, 120)
			for i := range values {
				values[i] = c.draw()
			}
			var p float64
			if c.loss {
				p = anomaly.Lossier(values[:115], values[115:], 12)
			} else {
				for i := range values {
					values[i] += 5 // e^5 ms, so that what is material is
				}
				p = anomaly.Rise(values[:115], values[115:])
			}
			if p <= 0.01 {
				hundredth++
			}
			if p <= 0.001 {
				thousandth++
			}
		}
		t.Logf("%s: p is at most 0.01 in %.4f, and at most 0.001 in %.5f of the series", c.name, float64(hundredth)/series, float64(thousandth)/series)
		if hundredth > series/100 || thousandth > series/1000 {
			t.Errorf("%s: p is at most 0.01 in %d, and at most 0.001 in %d of %d series", c.name, hundredth, thousandth, series)
		}
	}
}

// TestAdjustedPValuesAreThoseOfTheProcedure has an example worked out by hand: 0.005·4/1, then the lesser of 0.02·4/2 and 0.03·4/3 twice, and the largest as it is.
func TestAdjustedPValuesAreThoseOfTheProcedure(t *testing.T) {
	got := anomaly.Adjusted([]float64{0.03, 0.9, 0.005, 0.02})
	for i, want := range []float64{0.04, 0.9, 0.02, 0.04} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("q[%d] = %g, want %g", i, got[i], want)
		}
	}
}
