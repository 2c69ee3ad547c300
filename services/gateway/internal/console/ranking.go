package console

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// scale is a logarithmic axis of milliseconds, in units of its drawing.
type scale struct {
	Low, High, W float64
	Ticks        []tick
}

type tick struct {
	X     float64
	Label string
}

// plotW is the width of a row's drawing.
const plotW = 320.0

// newScale makes an axis that holds all values, between round numbers.
func newScale(values []float64) scale {
	s := scale{Low: 1, High: 10, W: plotW}
	if len(values) > 0 {
		s.Low, s.High = slices.Min(values)/1.15, slices.Max(values)*1.15
	}
	s.Low = max(s.Low, 0.01)
	s.High = max(s.High, s.Low*2)
	last := math.Inf(-1)
	for power := math.Floor(math.Log10(s.Low)); power <= math.Log10(s.High); power++ {
		for _, step := range []float64{1, 2, 5} {
			v := step * math.Pow(10, power)
			if v < s.Low || v > s.High || s.At(v)-last < 40 {
				continue
			}
			last = s.At(v)
			s.Ticks = append(s.Ticks, tick{last, fmt.Sprintf("%g", v)})
		}
	}
	return s
}

// At is where a value is drawn.
func (s scale) At(v float64) float64 {
	v = min(max(v, s.Low), s.High)
	return math.Round(10*(8+(s.W-16)*math.Log(v/s.Low)/math.Log(s.High/s.Low))) / 10
}

// ranked is a candidate as a row shows it.
type ranked struct {
	schemas.RankedCandidate
	// Tag is what is said of the candidate beside its name.
	Tag string
	// Tied says that others share its rank; First that it is the first of them.
	Tied, First bool
	// Lacking are the gates that do not pass.
	Lacking            []schemas.Gate
	LowX, CostX, HighX float64
	Says               string
	Plotted            bool
	ThinW              float64
}

type rankingBody struct {
	Active  string
	Now     string
	Actives []string
	Rows    []ranked
	Scale   scale
	At      time.Time
	MaxAge  int
	// Quantile and Window are the objective.
	Quantile, Window, Kind string
	// Other says that the ranking was made for another topology than the current.
	Other    bool
	Eligible int
	// Order is the order as it is published, without its candidates' rows.
	Order   schemas.Order
	History historyBody
	// Warnings are what was left out of the costs.
	Warnings []string
}

func (c *Console) ranking(w http.ResponseWriter, r *http.Request) error {
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	a, err := s.choose(r)
	if err != nil {
		return err
	}
	b := s.ranking(a, r.URL.Query().Get("active"))
	b.History = c.recent.history(a.Name, b.Active, time.Now())
	if _, ok := s.order(a.Name, b.Active); !ok && !b.At.IsZero() && r.URL.Query().Has("active") {
		return fault{http.StatusNotFound, "There is no such order", a.Name + " has no endpoint in a region named " + b.Active + "."}
	}
	return c.show(w, r, http.StatusOK, view{Name: "ranking", Title: "Ranking", App: a.Name, Body: b})
}

// ranking is the app's order for an active region, by default the one where traffic is.
func (s snapshot) ranking(a schemas.App, active string) rankingBody {
	made := s.rankings[a.Name]
	b := rankingBody{
		Active: active, Now: s.routes[a.Name].Active.Region, Actives: a.Regions(), At: made.At, MaxAge: int(a.Failover.MaxRankingAge.D().Seconds()),
		Quantile: fmt.Sprintf("%g", 100*a.Objective.Quantile), Window: a.Objective.Window.String(), Kind: a.Objective.Kind,
		Warnings: made.Warnings,
		Other:    !made.At.IsZero() && made.Topology != s.topology.Hash(),
	}
	if b.Active == "" {
		b.Active = b.Now
	}
	if b.Active == "" && len(b.Actives) > 0 {
		b.Active = b.Actives[0]
	}
	o, _ := s.order(a.Name, b.Active)
	b.Order = o
	b.Rows, b.Scale = rows(o.Candidates, s.routes[a.Name].Active, "traffic")
	for _, row := range b.Rows {
		if row.Eligible && row.Region != b.Active {
			b.Eligible++
		}
	}
	return b
}

// rows lays candidates out on one scale, one of them marked with a word.
func rows(candidates []schemas.RankedCandidate, marked schemas.Candidate, tag string) ([]ranked, scale) {
	var values []float64
	share := map[int]int{}
	for _, k := range candidates {
		share[k.Rank]++
		if k.Enough && k.Running {
			values = append(values, k.LowMS, k.CostMS, k.HighMS)
		}
	}
	axis := newScale(values)
	var all []ranked
	for i, k := range candidates {
		r := ranked{RankedCandidate: k, Tied: share[k.Rank] > 1, First: i == 0 || candidates[i-1].Rank != k.Rank, Plotted: k.Enough && k.Running}
		if k.Candidate == marked {
			r.Tag = tag
		}
		r.LowX, r.CostX, r.HighX = axis.At(k.LowMS), axis.At(k.CostMS), axis.At(k.HighMS)
		// An interval that is narrower than its mark would not be seen.
		r.ThinW = max(r.HighX-r.LowX, 1)
		r.Says = fmt.Sprintf("%.1f ms, 95 %% interval from %.1f to %.1f ms", k.CostMS, k.LowMS, k.HighMS)
		if k.Censored {
			r.Says = "at least " + r.Says
		}
		for _, g := range k.Gates {
			if g.Result != schemas.Pass {
				r.Lacking = append(r.Lacking, g)
			}
		}
		all = append(all, r)
	}
	return all, axis
}
