package load_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/load"
)

func TestRequestsAreRememberedByTheRegionOfTheirTarget(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	of := func(requests ...any) (all []schemas.RegionRequests) {
		for i := 0; i < len(requests); i += 2 {
			all = append(all, schemas.RegionRequests{Region: requests[i].(string), Requests: requests[i+1].(float64)})
		}
		return all
	}
	targets := func(regions ...string) (all []schemas.Target) {
		for _, r := range regions {
			all = append(all, schemas.Target{Name: "entry", Region: r})
		}
		return all
	}
	for _, c := range []struct {
		what    string
		before  []schemas.RegionRequests
		age     time.Duration
		targets []schemas.Target
		asked   []uint64
		want    []schemas.RegionRequests
	}{
		{"the first", nil, 0, targets("london", "tokyo"), []uint64{300, 0}, of("london", 300.0, "tokyo", 0.0)},
		{"those of an hour ago count 1/e", of("tokyo", 1000.0, "london", 100.0), time.Hour, targets("london", "tokyo"), []uint64{300, 0}, of("london", 336.788, "tokyo", 367.879)},
		{"two targets of a region", of("london", 100.0), 0, targets("london", "london"), []uint64{1, 2}, of("london", 103.0)},
		{"a target for everywhere", nil, 0, targets("", "tokyo"), []uint64{300, 7}, of("tokyo", 7.0)},
		{"a region that has no target any more", of("london", 100.0, "tokyo", 5.0), 0, targets("tokyo"), []uint64{1}, of("tokyo", 6.0)},
		{"no target with a region", of("london", 100.0), 0, targets(""), []uint64{1}, nil},
		{"a clock that was set back", of("london", 100.0), -time.Hour, targets("london"), []uint64{1}, of("london", 101.0)},
	} {
		got := load.Regions(schemas.Load{At: at.Add(-c.age), Regions: c.before}, at, c.targets, c.asked)
		if d := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 0.001)); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
}
