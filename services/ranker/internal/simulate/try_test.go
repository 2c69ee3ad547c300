package simulate

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

func TestTry(t *testing.T) {
	f, _ := os.Open("/work/shared/data/region-latency/inter-region.csv")
	m, err := backtest.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Seed: 300}
	const n = 1200
	groups := map[string][]int{}
	ts, ps := make([]tally, n), make([]tally, n)
	each(context.Background(), n, nil, func(i int) error {
		ts[i], _ = window(Fabricate(m, o.random(1, i)), o.random(1, i+n))
		ps[i], _ = window(Pair(Fabricate(m, o.random(2, i))), o.random(2, i+n))
		return nil
	})
	for i := range n {
		w := Fabricate(m, o.random(1, i))
		l := w.Regimes[0].Links[0][0]
		q := w.app().Objective.Quantile
		groups["all"] = append(groups["all"], i)
		groups[fmt.Sprint("q", q)] = append(groups[fmt.Sprint("q", q)], i)
		if w.Shock.Persistence > .4 {
			groups["persist"] = append(groups["persist"], i)
		}
		if len(w.Topology.Regions)*len(w.app().Variants) < 5 {
			groups["few"] = append(groups["few"], i)
		}
		if w.Shock.Persistence < .2 {
			groups["nopersist"] = append(groups["nopersist"], i)
		}
		if q == .95 && l.Loss+l.Outliers < .025 {
			groups["q95calm"] = append(groups["q95calm"], i)
		}
	}
	for _, g := range []string{"all", "q0.5", "q0.95", "q0.99", "persist", "nopersist", "few", "q95calm"} {
		var a, p tally
		for _, i := range groups[g] {
			a.add(ts[i])
			p.add(ps[i])
		}
		r := o.report(a, p)
		fmt.Printf("%-9s", g)
		for _, x := range r.Coverage {
			fmt.Printf(" %.3f", x.Share)
		}
		fmt.Printf("  ece %.3f first %.3f claimed %.3f right %.3f regret %.2f said %.2f aa %.3f\n", r.ECE, r.FirstBest, r.Claimed, r.ClaimedBest, r.RegretMS, r.ClaimedRegretMS, r.FalseWins)
		if g == "all" || g == "q95calm" {
			for _, x := range r.Bins {
				fmt.Printf("   %.1f %5d %.3f %.3f\n", x.From, x.Claims, x.Mean, x.Share)
			}
		}
	}
}
