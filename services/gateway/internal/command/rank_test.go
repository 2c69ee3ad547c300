package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/command"
)

func ranked(region string, low, cost, high, best float64) schemas.RankedCandidate {
	return schemas.RankedCandidate{Candidate: schemas.Candidate{Region: region, Variant: "slim"}, Rank: 1, Running: true, Enough: true, Eligible: true,
		LowMS: low, CostMS: cost, HighMS: high, PBest: best, Samples: 480}
}

func TestRankingIsDrawnWithItsIntervalsAndReason(t *testing.T) {
	censored := ranked("tokyo", 90, 100, 110, 0)
	censored.Censored, censored.Eligible, censored.Gates = true, false, []schemas.Gate{{Name: "rtt", Result: schemas.Fail, Evidence: "too long"}}
	r := schemas.Ranking{App: "shop", At: time.Now(), Quantile: 0.95, WindowSeconds: 120, Orders: []schemas.Order{{
		Active: "frankfurt", Choice: schemas.Candidate{Region: "london", Variant: "slim"}, Raw: schemas.Candidate{Region: "paris", Variant: "slim"},
		Warming: true, Reason: "paris/slim leads london/slim by 0.50 ms",
		Candidates: []schemas.RankedCandidate{ranked("london", 20, 21, 22, 0.25), ranked("paris", 18, 20.5, 30, 0.75), censored,
			{Candidate: schemas.Candidate{Region: "dallas", Variant: "slim"}, Rank: 4}},
	}}}
	for _, c := range []struct {
		locale string
		want   []string
	}{
		{"C.UTF-8", []string{
			"shop, traffic in frankfurt, p95 over 2m0s, 0s old\n",
			"would go to london/slim, not to paris/slim, the best of this window: paris/slim leads london/slim by 0.50 ms\n",
			"warming: ",
			"│ 18.0            110.0 MS │ P(BEST) │",
			"│ 18.0 – 30.0   │ ├●─┤                     │ 0.75    │     480 │ yes", "│ 90.0 – 110.0  │                   ├──●─≥ │", "│ ≥ 100.0",
			"│ dallas │ slim    │ not running │               │                          │         │       0 │ no ", "rtt fail: too long",
		}},
		{"POSIX", []string{"| 18.0 - 30.0   | |o-|                     | 0.75", "| >= 100.0", "| 90.0 - 110.0  |                   |--o-> |"}},
	} {
		t.Setenv("LC_ALL", c.locale)
		var out strings.Builder
		if err := command.ShowRanking(&out, r, "table"); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: there is no %q in\n%s", c.locale, want, out.String())
			}
		}
	}
	r.Orders[0].Candidates = r.Orders[0].Candidates[3:]
	var out strings.Builder
	if err := command.ShowRanking(&out, r, "table"); err != nil || strings.Contains(out.String(), "P(BEST)") || strings.Count(out.String(), " MS ") != 1 {
		t.Errorf("nothing measured: %v\n%s", err, out.String())
	}
	if err := command.ShowRanking(&out, r, "xml"); err == nil || !strings.Contains(err.Error(), "table and json") {
		t.Errorf("-o xml: %v", err)
	}
}
