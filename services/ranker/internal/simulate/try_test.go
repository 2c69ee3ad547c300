package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

func TestWatchTry(t *testing.T) {
	f, _ := os.Open("/work/shared/data/region-latency/inter-region.csv")
	m, err := backtest.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Seed: 500, Hours: 3}
	began := time.Now()
	for i := range 12 {
		random := rand.New(rand.NewPCG(9, uint64(i)))
		w := Pair(Fabricate(m, random))
		s, err := o.watch(w, random)
		fmt.Println(w.app().Objective.Quantile, w.Regimes[0].Links[0][1], w.Shock, s, err, time.Since(began))
	}
	_ = context.Background
}
