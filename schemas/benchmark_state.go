package schemas

import (
	"slices"
	"time"
)

// BenchmarkRuns is how many of the newest runs of each sort a state keeps.
const BenchmarkRuns = 20

// BenchmarkState is the newest benchmarks of the image that a region should run of a variant. Those of an earlier image are in ClickHouse only.
type BenchmarkState struct {
	App     string `json:"app"`
	Variant string `json:"variant"`
	Region  string `json:"region"`
	Digest  string `json:"digest"`
	// Machine is the builder's, where all of this was measured; only the registry is the region's.
	Machine   string `json:"machine"`
	SizeBytes uint64 `json:"size_bytes"`
	Layers    uint32 `json:"layers"`
	// WastedBytes are those of files that a later layer hides or writes again.
	WastedBytes uint64 `json:"wasted_bytes"`
	// Cold are the runs before which no layer was there, and Warm those that found the image unpacked; the newest last.
	Cold []BenchmarkRun `json:"cold"`
	Warm []BenchmarkRun `json:"warm"`
	At   time.Time      `json:"at"`
}

// BenchmarkRun is one benchmark; the phases after one that failed are 0.
type BenchmarkRun struct {
	PullUS    uint64    `json:"pull_us"`
	UnpackUS  uint64    `json:"unpack_us"`
	StartUS   uint64    `json:"start_us"`
	HealthyUS uint64    `json:"healthy_us"`
	Error     string    `json:"error,omitempty"`
	At        time.Time `json:"at"`
}

// Validate reports every field that is not well formed.
func (s BenchmarkState) Validate() error {
	var c check
	c.name("app", s.App)
	c.name("variant", s.Variant)
	c.name("region", s.Region)
	c.digest("digest", s.Digest)
	c.that(len(s.Cold) <= BenchmarkRuns && len(s.Warm) <= BenchmarkRuns, "%d cold and %d warm runs, not at most %d", len(s.Cold), len(s.Warm), BenchmarkRuns)
	c.time("at", s.At)
	return c.err()
}

// Key is the app, the variant and the region.
func (s BenchmarkState) Key() []string { return []string{s.App, s.Variant, s.Region} }

// Add returns the state with one more benchmark. One of another image begins anew.
func (s BenchmarkState) Add(app string, b ImageBenchmark) BenchmarkState {
	if s.Digest != b.Digest {
		s = BenchmarkState{App: app, Variant: b.Variant, Region: b.Region, Digest: b.Digest}
	}
	if b.SizeBytes > 0 {
		s.SizeBytes, s.Layers = b.SizeBytes, b.Layers
	}
	if b.UnpackUS > 0 {
		s.WastedBytes = b.WastedBytes
	}
	s.At = b.At
	runs := &s.Warm
	if b.Cold {
		runs = &s.Cold
	}
	run := BenchmarkRun{PullUS: b.PullUS, UnpackUS: b.UnpackUS, StartUS: b.StartUS, HealthyUS: b.HealthyUS, Error: b.Error, At: b.At}
	all := append(slices.Clone(*runs), run)
	*runs = all[max(0, len(all)-BenchmarkRuns):]
	return s
}

// Measured is the median of a phase over the runs that came through it.
type Measured struct {
	Runs     int    `json:"runs"`
	MedianUS uint64 `json:"median_us"`
	// LowUS and HighUS bound the median with 95 % confidence or more, if Sure: fewer than six runs can not.
	LowUS  uint64 `json:"low_us"`
	HighUS uint64 `json:"high_us"`
	Sure   bool   `json:"sure"`
}

// Median sums up a phase, or several, of runs. A run that did not come through is left out.
func Median(runs []BenchmarkRun, of func(BenchmarkRun) uint64) Measured {
	var all []uint64
	for _, r := range runs {
		if us := of(r); us > 0 {
			all = append(all, us)
		}
	}
	n := len(all)
	if n == 0 {
		return Measured{}
	}
	slices.Sort(all)
	m := Measured{Runs: n, MedianUS: (all[(n-1)/2] + all[n/2]) / 2}
	if cut := beyond(n); cut > 0 {
		m.LowUS, m.HighUS, m.Sure = all[cut-1], all[n-cut], true
	}
	return m
}

// beyond is the largest k for which the k-th smallest and the k-th largest of n values hold the median between them in 95 of 100 cases, whatever
// the distribution: the number of values below the median is binomial. 0 when n is too small for any.
func beyond(n int) int {
	term, sum := 1.0, 0.0
	for range n {
		term /= 2
	}
	for k := range n {
		if sum += term; sum > 0.025 {
			return k
		}
		term *= float64(n-k) / float64(k+1)
	}
	return 0
}

// Serve is the time from an image that is only in the registry to its first healthy answer, 0 for a run that did not get there.
func (r BenchmarkRun) Serve() uint64 {
	if r.HealthyUS == 0 {
		return 0
	}
	return r.PullUS + r.UnpackUS + r.StartUS + r.HealthyUS
}

// Restart is the time from the start of the container to the first healthy answer, 0 for a run that did not get there.
func (r BenchmarkRun) Restart() uint64 {
	if r.HealthyUS == 0 {
		return 0
	}
	return r.StartUS + r.HealthyUS
}
