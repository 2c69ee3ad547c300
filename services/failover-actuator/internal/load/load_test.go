package load_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/failover-actuator/internal/load"
)

func TestLoadIsTheHighestMeanOfTheLastFiveMinutes(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var g load.Gauge
	for _, c := range []struct {
		what   string
		second int
		counts []uint64
		want   float64
		known  bool
	}{
		{"first counts", 0, []uint64{1000, 5000}, 0, false},
		{"both targets count", 10, []uint64{1100, 5300}, 40, true},
		{"less, and the higher mean counts", 20, []uint64{1150, 5300}, 40, true},
		{"a count is missed, and its requests are in the next", 40, []uint64{2150, 5300}, 50, true},
		{"a target starts anew", 50, []uint64{10, 5300}, 0, false},
		{"and counts again", 60, []uint64{20, 5300}, 50, true},
		{"a target more", 70, []uint64{20, 5300, 0}, 0, false},
		{"five minutes after the highest", 340, []uint64{20, 5300, 0}, 50, true},
		{"more than five minutes after", 341, []uint64{20, 5301, 0}, 1, true},
		{"nobody asks", 701, []uint64{20, 5301, 0}, 0, true},
		{"the clock stands", 701, []uint64{20, 9000, 0}, 0, false},
	} {
		got, _, known := g.Add(start.Add(time.Duration(c.second)*time.Second), c.counts)
		if got != c.want || known != c.known {
			t.Errorf("%s: %g, %t; want %g, %t", c.what, got, known, c.want, c.known)
		}
	}
}
