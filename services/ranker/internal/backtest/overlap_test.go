package backtest_test

import (
	"math"
	"slices"
	"testing"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

func TestRiseThatIsNotRepeatedFades(t *testing.T) {
	none := math.NaN()
	for name, c := range map[string]struct{ averages, want []float64 }{
		"a bad day":                  {[]float64{100, 110, 110, 110, 110, 100, 100}, []float64{100, 109, 108, 107, 106, 100, 100}},
		"a change of route":          {[]float64{100, 110, 120, 130, 140, 140, 140}, []float64{100, 109, 119, 129, 139, 138, 137}},
		"a fall is believed":         {[]float64{110, 100, 100}, []float64{110, 100, 100}},
		"a rise that stays, at last": {[]float64{100, 110, 110, 110, 110, 110}, []float64{100, 109, 108, 107, 106, 110}},
		"a week without a figure":    {[]float64{100, none, 110, 110}, []float64{100, none, 110, 110}},
	} {
		var weeks []backtest.Week
		for _, ms := range c.averages {
			weeks = append(weeks, backtest.Week{{ms}})
		}
		for i, w := range backtest.Lasting(weeks) {
			got, want := w[0][0], c.want[i]
			if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-9 {
				t.Errorf("%s, week %d: got %v, want %v", name, i, got, want)
			}
		}
	}
}

// What is shown in a week must not know the weeks after it.
func TestLastingKnowsOnlyThePast(t *testing.T) {
	weeks := read(t, fabricate(3, 120)).Weeks
	all := backtest.Lasting(weeks)
	for n := range weeks {
		if part := backtest.Lasting(weeks[:n+1]); !equal(part[n], all[n]) {
			t.Fatalf("week %d is another when later ones are known", n)
		}
	}
}

func equal(a, b backtest.Week) bool {
	for i := range a {
		if !slices.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
