package anomaly_test

import (
"os"
"runtime/pprof"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

func TestCalm(t *testing.T) {
	if f := os.Getenv("PROF"); f != "" {
		w, _ := os.Create(f)
		pprof.StartCPUProfile(w)
		defer pprof.StopCPUProfile()
	}
	for seed := range uint64(2) {
		w := newWorld(seed, calm)
		n := 0
		for range 24 * 60 {
			for _, e := range w.pass() {
				if e.State == schemas.AnomalyBegan {
					n++
					if n < 12 {
						t.Logf("%d %d %s %g %+v", seed, w.minute, said(e), e.PValue, e.Cells[0])
					}
				}
			}
		}
		t.Logf("seed %d: %d", seed, n)
	}
}
