package rank

import (
	"fmt"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// Benchmark is the part of an image's benchmarks that a ranking looks at.
type Benchmark struct {
	App string `json:"app"`
	schemas.Candidate
	Digest string `json:"digest"`
	// Cold is the time from nothing to the first healthy answer, Warm that from the start where the image is.
	Cold schemas.Measured `json:"cold"`
	Warm schemas.Measured `json:"warm"`
	At   time.Time        `json:"at"`
}

// NewBenchmark sums up an image's benchmarks. A time is over whole runs, since a median of sums is no sum of medians.
func NewBenchmark(s schemas.BenchmarkState) Benchmark {
	return Benchmark{App: s.App, Candidate: schemas.Candidate{Region: s.Region, Variant: s.Variant}, Digest: s.Digest, At: s.At,
		Cold: schemas.Median(s.Cold, schemas.BenchmarkRun.Serve), Warm: schemas.Median(s.Warm, schemas.BenchmarkRun.Restart)}
}

// serving is how long a candidate takes until it serves, once traffic is to go there.
type serving struct {
	ms float64
	// known is false where a benchmark that ms would come from is missing.
	known bool
	// how says what ms is made of, or what is missing.
	how string
	at  time.Time
}

// serving is P(cold) · (pull + unpack) + start + first healthy answer. A candidate whose endpoint answers needs none of it and serves at once. One whose
// endpoint does not answer was started before, so its image is there and P(cold) is 0; where there is no endpoint nobody has fetched it, and P(cold) is 1.
// The times are those of the builder's benchmarks of the image that the region holds.
func (k known) serving(running bool, gates []schemas.Gate, c schemas.Candidate) serving {
	if healthy(gates) {
		return serving{known: true, how: "serves at once"}
	}
	if !k.app.Built() {
		return serving{how: "does not serve, and Leeward does not build it and has not measured its start"}
	}
	b, missing := k.benchmark(c)
	if missing != "" {
		return serving{how: missing}
	}
	if running {
		return served(b.Warm, b.At, "does not answer; from the start to the first healthy answer, with the image there")
	}
	return served(b.Cold, b.At, "not running; from nothing to the first healthy answer")
}

func healthy(gates []schemas.Gate) bool {
	return slices.ContainsFunc(gates, func(g schemas.Gate) bool { return g.Name == gate.Running && g.Result == schemas.Pass }) &&
		slices.ContainsFunc(gates, func(g schemas.Gate) bool { return g.Name == gate.Health && g.Result == schemas.Pass })
}

// benchmark finds the benchmarks of the image that the candidate's region holds, or says what is missing.
func (k known) benchmark(c schemas.Candidate) (b Benchmark, missing string) {
	i := slices.IndexFunc(k.state.Images, func(s schemas.ImageState) bool {
		return s.App == k.app.Name && s.Region == c.Region && s.Variant == c.Variant
	})
	if i < 0 || !k.state.Images[i].Verified() {
		return b, "does not serve, and the region is not known to hold its image"
	}
	for _, b := range k.state.Benchmarks {
		if b.App == k.app.Name && b.Candidate == c && b.Digest == k.state.Images[i].Digest {
			return b, ""
		}
	}
	return b, "does not serve, and its image was not benchmarked yet"
}

func served(m schemas.Measured, at time.Time, how string) serving {
	if m.Runs == 0 {
		return serving{how: "does not serve, and no benchmark of its image came to a healthy answer", at: at}
	}
	runs := "runs"
	if m.Runs == 1 {
		runs = "run"
	}
	return serving{ms: rounded(float64(m.MedianUS) / 1000), known: true, at: at,
		how: fmt.Sprintf("%s: %.2f s, median of %d %s on the builder's machine", how, float64(m.MedianUS)/1e6, m.Runs, runs)}
}

// recovery passes when a candidate serves soon enough.
func (k known) recovery(s serving) schemas.Gate {
	if !s.known {
		return schemas.Gate{Name: gate.RTO, Result: schemas.Unknown, Evidence: s.how, EvidenceAt: s.at}
	}
	limit := k.app.Gates.MaxRTO.D()
	g := judge(gate.RTO, s.ms <= float64(limit.Microseconds())/1000, "%s, %s", s.how, allowed(limit))
	g.Value, g.Threshold = gate.Milliseconds(time.Duration(s.ms*float64(time.Millisecond))), gate.Milliseconds(limit)
	g.EvidenceAt = s.at
	return g
}

// serves fills in how long a candidate takes to serve, and the gate that limits it.
func (k known) serves(c *schemas.RankedCandidate, same *anywhere) {
	s := k.serving(c.Running, same.before, c.Candidate)
	c.Serve = s.how
	if s.known {
		c.ServeMS = &s.ms
	}
	if k.app.Gates.MaxRTO > 0 {
		same.last = append(same.last, k.recovery(s))
	}
}
