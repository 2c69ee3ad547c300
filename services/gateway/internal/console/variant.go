package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/scoreboard"
)

// compared is one variant beside the others.
type compared struct {
	Name, Target string
	Built        bool
	SizeBytes    uint64
	Layers       int
	Seconds      float64
	Cached       int
	Steps        int
	Digest       string
	At           time.Time
	Failed       string
	// Held counts the regions whose registry was seen to hold the image, of all that run it.
	Held, Regions int
	// SizeW and SecondsW are the lengths of bars, of 100.
	SizeW, SecondsW float64
}

type variantsBody struct {
	Variants []compared
	Scores   []scored
	// Notes are where images were benchmarked, and why the newest benchmarks failed.
	Notes  []string
	Ranked time.Time
	MaxAge int
}

func (c *Console) variants(w http.ResponseWriter, r *http.Request) error {
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	a, err := s.choose(r)
	if err != nil {
		return err
	}
	rows := s.scoreboard(a)
	b := variantsBody{Scores: s.scores(a, rows), Notes: scoreboard.Notes(rows), Ranked: s.rankings[a.Name].At, MaxAge: int(a.Failover.MaxRankingAge.D().Seconds())}
	for _, v := range a.Variants {
		b.Variants = append(b.Variants, s.compare(a, v))
	}
	var largest uint64
	var slowest float64
	for _, v := range b.Variants {
		largest, slowest = max(largest, v.SizeBytes), max(slowest, v.Seconds)
	}
	for i := range b.Variants {
		v := &b.Variants[i]
		v.SizeW, v.SecondsW = share(float64(v.SizeBytes), float64(largest)), share(v.Seconds, slowest)
	}
	return c.show(w, r, http.StatusOK, view{Name: "variants", Title: "Variants", App: a.Name, Body: b})
}

// share is a part of a whole, of 100.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * part / whole
}

func (s snapshot) compare(a schemas.App, v schemas.Variant) compared {
	one := compared{Name: v.Name, Target: v.Target}
	if i := slices.IndexFunc(s.builds, func(b schemas.BuildState) bool { return b.App == a.Name && b.Variant == v.Name }); i >= 0 {
		state := s.builds[i]
		if state.Wants() {
			w := state.Wanted
			one.Built, one.SizeBytes, one.Layers, one.Seconds, one.Digest, one.At = true, w.SizeBytes, len(w.Layers), w.Seconds, w.Digest, w.At
			for _, stage := range w.Stages {
				one.Steps += stage.Steps
				one.Cached += stage.CachedSteps
			}
		}
		if state.Last.Outcome == "failed" {
			one.Failed, _, _ = strings.Cut(state.Last.Error, "\n")
		}
	}
	for _, image := range s.images {
		if image.App == a.Name && image.Variant == v.Name {
			one.Regions++
			if image.Verified() {
				one.Held++
			}
		}
	}
	return one
}
