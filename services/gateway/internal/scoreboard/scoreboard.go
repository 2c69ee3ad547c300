// Package scoreboard puts an app's variants beside each other, region by region: what their images weigh, how long these take to serve from nothing, and how long requests
// take. It is pure: what was measured comes from the builder and the ranker.
package scoreboard

import (
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Row is one variant in one region.
type Row struct {
	Region  string `json:"region"`
	Variant string `json:"variant"`
	// Running is whether the variant has an endpoint in the region.
	Running bool `json:"running"`
	// Image is what was benchmarked; absent before the first benchmark of the image that the region holds.
	Image *Image `json:"image,omitempty"`
	// Requests are quantiles of requests to the variant in the region; empty for one that does not run, or before the first ranking.
	Requests []schemas.LatencyQuantile `json:"requests"`
	Samples  uint64                    `json:"samples"`
	Failures uint64                    `json:"failures"`
	// Cost is the ranking's, by which candidates are ordered.
	Cost *Time `json:"cost,omitempty"`
	// ServeMS and Serve say how long it would take to serve, as in the ranking.
	ServeMS *float64 `json:"serve_ms,omitempty"`
	Serve   string   `json:"serve,omitempty"`
	// ByCost and ByCold mark the best of the region's variants, and those that can not be told from it.
	ByCost Mark `json:"by_cost,omitempty"`
	ByCold Mark `json:"by_cold,omitempty"`
}

// Image is an image with its benchmarks from the region's registry, on the builder's machine.
type Image struct {
	Digest      string    `json:"digest"`
	Machine     string    `json:"machine"`
	SizeBytes   uint64    `json:"size_bytes"`
	Layers      uint32    `json:"layers"`
	WastedBytes uint64    `json:"wasted_bytes"`
	Cold        Runs      `json:"cold"`
	Warm        Runs      `json:"warm"`
	At          time.Time `json:"at"`
}

// Runs are the medians of benchmarks by phase, and of whole runs. A phase that no run came through is absent.
type Runs struct {
	Runs   int `json:"runs"`
	Failed int `json:"failed"`
	// Error is why the newest run failed, if it did.
	Error   string `json:"error,omitempty"`
	Pull    *Time  `json:"pull,omitempty"`
	Unpack  *Time  `json:"unpack,omitempty"`
	Start   *Time  `json:"start,omitempty"`
	Healthy *Time  `json:"healthy,omitempty"`
	Serve   *Time  `json:"serve,omitempty"`
}

// Time is milliseconds with a 95 % interval; Sure says whether there is enough data for one.
type Time struct {
	MS     float64 `json:"ms"`
	LowMS  float64 `json:"low_ms"`
	HighMS float64 `json:"high_ms"`
	Sure   bool    `json:"sure"`
	Runs   int     `json:"runs,omitempty"`
}

// Mark is how a variant stands among those of its region.
type Mark string

// The marks: the best one, and those that the data can not tell apart at the top. Others have none.
const (
	Best Mark = "best"
	Tie  Mark = "tie"
)

// Known is what the scoreboard is made of; what is of other apps is left out.
type Known struct {
	Images     []schemas.ImageState
	Benchmarks []schemas.BenchmarkState
	Ranking    schemas.Ranking
}

// Of lists every region the app's images are in, or that it has endpoints in, with every variant, in the order of the file.
func Of(app schemas.App, t schemas.Topology, known Known) []Row {
	rows := []Row{}
	for _, r := range t.Regions {
		first := len(rows)
		for _, v := range app.Variants {
			if row, ok := known.row(app, schemas.Candidate{Region: r.Name, Variant: v.Name}); ok {
				rows = append(rows, row)
			}
		}
		mark(rows[first:])
	}
	return rows
}

func (k Known) row(app schemas.App, c schemas.Candidate) (row Row, ok bool) {
	row = Row{Region: c.Region, Variant: c.Variant, Requests: []schemas.LatencyQuantile{}}
	_, row.Running = app.Endpoint(c)
	i := slices.IndexFunc(k.Images, func(s schemas.ImageState) bool {
		return s.App == app.Name && s.Region == c.Region && s.Variant == c.Variant
	})
	if i >= 0 {
		row.Image = k.image(k.Images[i])
	}
	for _, r := range k.Ranking.Requests {
		if r.Candidate == c {
			row.Requests, row.Samples, row.Failures = r.Quantiles, r.Samples, r.Failures
		}
	}
	// Neither the cost nor the time to serve depends on where traffic is, so any order has them.
	if len(k.Ranking.Orders) > 0 {
		row.ranked(k.Ranking.Orders[0].Candidates, c)
	}
	return row, row.Running || i >= 0
}

func (row *Row) ranked(candidates []schemas.RankedCandidate, c schemas.Candidate) {
	for _, r := range candidates {
		if r.Candidate != c {
			continue
		}
		row.ServeMS, row.Serve = r.ServeMS, r.Serve
		if r.Running && r.Enough {
			row.Cost = &Time{MS: r.CostMS, LowMS: r.LowMS, HighMS: r.HighMS, Sure: true}
		}
	}
}

// image finds the benchmarks of the image that a region holds; those of an earlier one say nothing of it.
func (k Known) image(s schemas.ImageState) *Image {
	for _, b := range k.Benchmarks {
		if b.App == s.App && b.Region == s.Region && b.Variant == s.Variant && b.Digest == s.Digest {
			return &Image{Digest: b.Digest, Machine: b.Machine, SizeBytes: b.SizeBytes, Layers: b.Layers, WastedBytes: b.WastedBytes, At: b.At,
				Cold: runsOf(b.Cold, schemas.BenchmarkRun.Serve), Warm: runsOf(b.Warm, schemas.BenchmarkRun.Restart)}
		}
	}
	return nil
}

func runsOf(all []schemas.BenchmarkRun, whole func(schemas.BenchmarkRun) uint64) Runs {
	r := Runs{
		Runs:    len(all),
		Pull:    timeOf(all, func(r schemas.BenchmarkRun) uint64 { return r.PullUS }),
		Unpack:  timeOf(all, func(r schemas.BenchmarkRun) uint64 { return r.UnpackUS }),
		Start:   timeOf(all, func(r schemas.BenchmarkRun) uint64 { return r.StartUS }),
		Healthy: timeOf(all, func(r schemas.BenchmarkRun) uint64 { return r.HealthyUS }),
		Serve:   timeOf(all, whole),
	}
	for _, one := range all {
		r.Error = one.Error
		if one.Error != "" {
			r.Failed++
		}
	}
	r.Error, _, _ = strings.Cut(r.Error, "\n")
	return r
}

func timeOf(all []schemas.BenchmarkRun, of func(schemas.BenchmarkRun) uint64) *Time {
	m := schemas.Median(all, of)
	if m.Runs == 0 {
		return nil
	}
	ms := func(us uint64) float64 { return float64(us) / 1000 }
	return &Time{MS: ms(m.MedianUS), LowMS: ms(m.LowUS), HighMS: ms(m.HighUS), Sure: m.Sure, Runs: m.Runs}
}

// mark finds the best of a region's variants, once by cost and once by the time from nothing to the first healthy answer.
func mark(rows []Row) {
	costs, colds := make([]*Time, len(rows)), make([]*Time, len(rows))
	for i, r := range rows {
		costs[i] = r.Cost
		if r.Image != nil {
			colds[i] = r.Image.Cold.Serve
		}
	}
	byCost, byCold := marks(costs), marks(colds)
	for i := range rows {
		rows[i].ByCost, rows[i].ByCold = byCost[i], byCold[i]
	}
}

// marks are those of some times: the lowest is the best, unless the interval of another overlaps its own. A time without an interval is not compared, and neither is one alone.
func marks(times []*Time) []Mark {
	all := make([]Mark, len(times))
	first, compared := -1, 0
	for i, t := range times {
		if t == nil || !t.Sure {
			continue
		}
		compared++
		if first < 0 || t.MS < times[first].MS {
			first = i
		}
	}
	if compared < 2 {
		return all
	}
	all[first] = Best
	for i, t := range times {
		if i != first && t != nil && t.Sure && t.LowMS <= times[first].HighMS {
			all[i], all[first] = Tie, Tie
		}
	}
	return all
}
