package benchmark

import (
	"cmp"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Targets are the images to measure: those that a region of the topology was seen to hold.
func Targets(t schemas.Topology, images []schemas.ImageState) []Target {
	var all []Target
	for _, i := range images {
		app, known := t.App(i.App)
		region, also := t.Region(i.Region)
		if known && also && i.Verified() && app.Images.Repository != "" {
			all = append(all, Target{App: i.App, Candidate: schemas.Candidate{Region: i.Region, Variant: i.Variant}, Digest: i.Digest, Registry: region.Registry, Repository: app.Images.Repository})
		}
	}
	return all
}

// Next returns the target whose benchmark is due first, and when; ok is false when there is no target. An image that was not measured yet is due at once,
// one whose latest benchmark failed after a part of the interval, for what failed may be the network. Variants take turns within a region, so that a
// bad hour at its registry is not one variant's alone.
func Next(targets []Target, states map[string]schemas.BenchmarkState, every time.Duration) (next Target, due time.Time, ok bool) {
	for _, target := range targets {
		at := dueAt(target, states[target.Key()], every)
		if !ok || cmp.Or(at.Compare(due), target.Compare(next.Candidate), cmp.Compare(target.App, next.App)) < 0 {
			next, due, ok = target, at, true
		}
	}
	return next, due, ok
}

// retryPart is the part of the interval after which a benchmark that failed is tried again.
const retryPart = 24

func dueAt(target Target, state schemas.BenchmarkState, every time.Duration) time.Time {
	if state.Digest != target.Digest {
		return time.Time{}
	}
	if n := len(state.Cold); n > 0 && state.Cold[n-1].Error != "" {
		every /= retryPart
	}
	return state.At.Add(every)
}

// Key names the app, the variant and the region.
func (t Target) Key() string { return schemas.KeyOf(t.App, t.Variant, t.Region) }
