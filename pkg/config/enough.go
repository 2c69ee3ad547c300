package config

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

const (
	shortestInterval = 100 * time.Millisecond
	longestWindow    = 24 * time.Hour
)

// enough refuses a window in which no vantage could ever get the samples that the quantile needs: each candidate is measured once in every interval, and
// without them no cost is known.
func (v validator) enough(path string, a schemas.App) {
	window, interval, q := a.Objective.Window.D(), a.Probe.Interval.D(), a.Objective.Quantile
	if q <= 0 || q >= 1 || interval < shortestInterval || window < interval || window > longestWindow {
		return
	}
	most, needed := (window+interval-1)/interval, time.Duration(schemas.NeededSamples(q))
	if most >= needed {
		return
	}
	var ways []string
	if needed <= longestWindow/interval {
		ways = append(ways, "window: "+(needed*interval+time.Second-1).Truncate(time.Second).String())
	}
	if lower := math.Floor(1000*(1-5/float64(most))) / 1000; lower > 0 {
		ways = append(ways, fmt.Sprintf("quantile: %g", lower))
	}
	if shorter := (window / needed).Truncate(time.Millisecond); shorter >= shortestInterval {
		ways = append(ways, "probe.interval: "+shorter.String())
	}
	if len(ways) == 0 {
		ways = []string{"a shorter probe.interval with a lower quantile"}
	}
	v.failf(v.written(path+".objective.window", path+".objective.quantile", path+".probe.interval"), strings.Join(ways, ", or ")+" would do",
		"a window of %s holds %d samples of one candidate from one vantage, one each %s, and the quantile %g needs %d: no cost would ever be known",
		a.Objective.Window, most, a.Probe.Interval, q, needed)
}

// written is the first of some paths that stands in the file.
func (v validator) written(paths ...string) string {
	for _, path := range paths {
		if _, ok := v.d.positions[path]; ok {
			return path
		}
	}
	return paths[0]
}
