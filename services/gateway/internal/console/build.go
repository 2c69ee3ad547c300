package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// manyBuilds is how many builds the page shows.
const manyBuilds = 40

// built is a build with what became of its image.
type built struct {
	schemas.BuildFinished
	Stages []stage
	Layers []layer
	// Wanted says that the regions are to hold this build's image.
	Wanted bool
	Copies []replicaOf
	Cached int
	Steps  int
}

type stage struct {
	schemas.BuildStage
	W float64
}

type layer struct {
	schemas.BuildLayer
	X, W float64
	Odd  bool
}

// replicaOf is the image in one region.
type replicaOf struct {
	schemas.ImageState
	Seconds  float64
	Attempts int
	Known    bool
}

type buildsBody struct {
	Builds []built
	Kept   int
}

func (c *Console) builds(w http.ResponseWriter, r *http.Request) error {
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	a, err := s.choose(r)
	if err != nil {
		return err
	}
	b := buildsBody{Kept: keepEvents}
	copies := c.copies(a.Name)
	for _, e := range c.finished(s, a.Name) {
		b.Builds = append(b.Builds, s.built(e, copies))
	}
	return c.show(w, r, http.StatusOK, view{Name: "builds", Title: "Builds", App: a.Name, Body: b})
}

// finished lists the builds that are known, the newest first: the newest of each variant from its bucket, older ones from the latest events.
func (c *Console) finished(s snapshot, app string) []schemas.BuildFinished {
	var all []schemas.BuildFinished
	seen := map[string]bool{}
	add := func(e schemas.BuildFinished) {
		if e.App == app && e.Build != "" && !seen[e.Identity()] {
			seen[e.Identity()] = true
			all = append(all, e)
		}
	}
	for _, state := range s.builds {
		add(state.Last)
		add(state.Wanted)
	}
	name := schemas.BuildFinishedTopic.Contract().Name
	facts, _ := c.recent.pick(manyBuilds, func(f fact) bool { return f.Type == name && f.App == app })
	for _, f := range facts {
		var e schemas.BuildFinished
		if json.Unmarshal(f.Data, &e) == nil {
			add(e)
		}
	}
	slices.SortFunc(all, func(a, b schemas.BuildFinished) int { return b.At.Compare(a.At) })
	return all[:min(len(all), manyBuilds)]
}

// copies are the latest announced copies of every image, by digest and region.
func (c *Console) copies(app string) map[string]schemas.ImageReplicated {
	name := schemas.ImageReplicatedTopic.Contract().Name
	facts, _ := c.recent.pick(keepEvents, func(f fact) bool { return f.Type == name && f.App == app })
	found := map[string]schemas.ImageReplicated{}
	for _, f := range facts {
		var e schemas.ImageReplicated
		if json.Unmarshal(f.Data, &e) != nil {
			continue
		}
		if key := e.Digest + e.Region; found[key].At.IsZero() {
			found[key] = e
		}
	}
	return found
}

func (s snapshot) built(e schemas.BuildFinished, copies map[string]schemas.ImageReplicated) built {
	b := built{BuildFinished: e}
	var slowest float64
	for _, one := range e.Stages {
		slowest = max(slowest, one.Seconds)
		b.Steps += one.Steps
		b.Cached += one.CachedSteps
	}
	for _, one := range e.Stages {
		b.Stages = append(b.Stages, stage{one, max(share(one.Seconds, slowest), 0.5)})
	}
	x := 0.0
	var whole uint64
	for _, l := range e.Layers {
		whole += l.SizeBytes
	}
	for i, l := range e.Layers {
		width := share(float64(l.SizeBytes), float64(whole))
		b.Layers = append(b.Layers, layer{l, x, max(width, 0.4), i%2 == 1})
		x += width
	}
	b.Wanted = e.Digest != "" && slices.ContainsFunc(s.builds, func(state schemas.BuildState) bool {
		return state.App == e.App && state.Variant == e.Variant && state.Wanted.Digest == e.Digest
	})
	for _, image := range s.images {
		if image.App != e.App || image.Variant != e.Variant || image.Digest != e.Digest || e.Digest == "" {
			continue
		}
		one := replicaOf{ImageState: image}
		if told := copies[e.Digest+image.Region]; !told.At.IsZero() {
			one.Seconds, one.Attempts, one.Known = told.Seconds, told.Attempt, true
		}
		b.Copies = append(b.Copies, one)
	}
	return b
}

// Ended is how the build went.
func (b built) Ended() (took time.Duration) { return time.Duration(b.Seconds * float64(time.Second)) }
