package console

import (
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/scoreboard"
)

// scored is one variant in one region, as leeward variants shows it, with the latest answer from the nearest vantage.
type scored struct {
	scoreboard.Row
	// Quantiles are those of requests, in the order of their columns.
	Quantiles []schemas.LatencyQuantile
	// Benchmarks are the rows of the image: cold and warm runs.
	Benchmarks []benchmarked
	NearestUS  uint32
	Nearest    string
	Active     bool
}

// benchmarked is how long cold or warm runs took.
type benchmarked struct {
	State string
	scoreboard.Runs
	// Mark is how the whole time stands in the region; cold runs are compared.
	Mark scoreboard.Mark
}

// Phases are the times in the order of their columns; those of the whole run stand apart.
func (b benchmarked) Phases() []*scoreboard.Time {
	return []*scoreboard.Time{b.Pull, b.Unpack, b.Start, b.Healthy}
}

// quantiles are those of requests that are shown.
var quantiles = []float64{0.5, 0.95, 0.99}

// scoreboard puts an app's variants beside each other, region by region.
func (s snapshot) scoreboard(a schemas.App) []scoreboard.Row {
	return scoreboard.Of(a, s.topology, scoreboard.Known{Images: s.images, Benchmarks: s.benchmarks, Ranking: s.rankings[a.Name]})
}

// scores are the rows of a scoreboard as the page shows them.
func (s snapshot) scores(a schemas.App, rows []scoreboard.Row) []scored {
	var all []scored
	for _, row := range rows {
		c := schemas.Candidate{Region: row.Region, Variant: row.Variant}
		one := scored{Row: row, Active: s.routes[a.Name].Active == c}
		for _, q := range quantiles {
			one.Quantiles = append(one.Quantiles, schemas.RequestLatency{Quantiles: row.Requests}.Quantile(q))
		}
		if i := row.Image; i != nil {
			one.Benchmarks = append(one.Benchmarks, benchmarked{"cold", i.Cold, row.ByCold})
			if i.Warm.Runs > 0 {
				one.Benchmarks = append(one.Benchmarks, benchmarked{State: "warm", Runs: i.Warm})
			}
		}
		one.NearestUS, one.Nearest = s.nearestAnswer(a.Name, c)
		all = append(all, one)
	}
	return all
}

// nearestAnswer is the shortest of the latest answers of a candidate, and the vantage that got it.
func (s snapshot) nearestAnswer(app string, c schemas.Candidate) (us uint32, vantage string) {
	for _, v := range s.verdicts {
		if v.App != app || v.Region != c.Region {
			continue
		}
		for _, h := range v.Variants {
			if h.Variant == c.Variant && h.OK && h.LatencyUS > 0 && (us == 0 || h.LatencyUS < us) {
				us, vantage = h.LatencyUS, v.Vantage
			}
		}
	}
	return us, vantage
}

// serves writes how long it would take until a variant serves.
func serves(ms *float64) string {
	switch {
	case ms == nil:
		return ""
	case *ms == 0:
		return "at once"
	}
	return took(time.Duration(*ms * float64(time.Millisecond)))
}

// inSeconds writes milliseconds as seconds.
func inSeconds(ms float64) string { return fmt.Sprintf("%.3f s", ms/1000) }
