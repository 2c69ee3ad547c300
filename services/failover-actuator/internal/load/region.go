package load

import (
	"math"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Regions adds what each target was asked for to the requests that are remembered of its region. They are remembered in the load itself, so that an actuator
// that takes over goes on where another ended. A target that names no region counts for none, and a region that no target names is forgotten.
func Regions(before schemas.Load, at time.Time, targets []schemas.Target, asked []uint64) []schemas.RegionRequests {
	kept := math.Exp(-max(at.Sub(before.At), 0).Hours() / schemas.LoadMemory.Hours())
	var all []schemas.RegionRequests
	for i, t := range targets {
		if t.Region == "" {
			continue
		}
		r := find(all, t.Region)
		if r < 0 {
			r = len(all)
			all = append(all, schemas.RegionRequests{Region: t.Region})
			if known := find(before.Regions, t.Region); known >= 0 {
				all[r].Requests = kept * before.Regions[known].Requests
			}
		}
		all[r].Requests += float64(asked[i])
	}
	return all
}

func find(all []schemas.RegionRequests, region string) int {
	return slices.IndexFunc(all, func(r schemas.RegionRequests) bool { return r.Region == region })
}
