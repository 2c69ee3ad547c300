package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
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
	Answers       []answer
	// SizeW and SecondsW are the lengths of bars, of 100.
	SizeW, SecondsW float64
}

// answer is how fast a variant answers in a region: its cost in the ranking, and the latest answer from the nearest vantage.
type answer struct {
	Region    string
	Running   bool
	Ranked    bool
	CostMS    float64
	LowMS     float64
	HighMS    float64
	NearestUS uint32
	Nearest   string
	Active    bool
	Best      bool
}

type variantsBody struct {
	Variants []compared
	Regions  []string
	Ranked   time.Time
	MaxAge   int
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
	b := variantsBody{Regions: a.Regions(), Ranked: s.rankings[a.Name].At, MaxAge: int(a.Failover.MaxRankingAge.D().Seconds())}
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
	for i := range b.Regions {
		best := -1
		for k, v := range b.Variants {
			if one := v.Answers[i]; one.Ranked && (best < 0 || one.CostMS < b.Variants[best].Answers[i].CostMS) {
				best = k
			}
		}
		if best >= 0 {
			b.Variants[best].Answers[i].Best = true
		}
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
	for _, region := range a.Regions() {
		one.Answers = append(one.Answers, s.answer(a, schemas.Candidate{Region: region, Variant: v.Name}))
	}
	return one
}

func (s snapshot) answer(a schemas.App, c schemas.Candidate) answer {
	one := answer{Region: c.Region, Active: s.routes[a.Name].Active == c}
	_, one.Running = a.Endpoint(c)
	// A candidate's cost does not depend on where traffic is, so any order has it.
	if orders := s.rankings[a.Name].Orders; len(orders) > 0 {
		for _, k := range orders[0].Candidates {
			if k.Candidate == c && k.Enough && k.Running {
				one.Ranked, one.CostMS, one.LowMS, one.HighMS = true, k.CostMS, k.LowMS, k.HighMS
			}
		}
	}
	for _, v := range s.verdicts {
		if v.App != a.Name || v.Region != c.Region {
			continue
		}
		for _, h := range v.Variants {
			if h.Variant == c.Variant && h.OK && h.LatencyUS > 0 && (one.NearestUS == 0 || h.LatencyUS < one.NearestUS) {
				one.NearestUS, one.Nearest = h.LatencyUS, v.Vantage
			}
		}
	}
	return one
}
