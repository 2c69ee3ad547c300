package load

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/leeward-failover/leeward/schemas"
)

// Tally is what came of a load so far.
type Tally struct {
	Plan  Plan
	Began time.Time
	// Requests have ended. Sent is how many of them were sent, Reached how many a connection took, Again how many another took once more because the server closed the first,
	// GivenUp how many were open when the load was stopped.
	Requests, Sent, Reached, Again, GivenUp int
	Outcomes                                map[schemas.Outcome]int
	// Failure is what was wrong with the first request that failed.
	Failure error
	// Stopped is why the load ended before its time.
	Stopped error

	latency, service, late durations
	// lastSent is when the latest request was sent, from the beginning.
	lastSent time.Duration
	// recent says of the last requests which failed.
	recent [100]bool
}

func newTally(p Plan) *Tally {
	return &Tally{Plan: p, Began: time.Now(), Outcomes: map[schemas.Outcome]int{}, latency: newDurations(), service: newDurations(), late: newDurations()}
}

// add counts a request. One that failed took at least the time-out: that it failed fast helps nobody. One that was given up took at least what it had taken.
func (t *Tally) add(r request) {
	s := r.sample
	failed := s.Outcome != schemas.OK
	latency, service := int64(s.LatencyUS), int64(s.LatencyUS-s.LateUS)
	if failed && !r.givenUp {
		latency, service = max(latency, t.Plan.Timeout.Microseconds()), max(service, t.Plan.Timeout.Microseconds())
	}
	if failed && t.Failure == nil {
		t.Failure = r.err
	}
	t.recent[t.Requests%len(t.recent)] = failed
	t.Requests++
	t.Outcomes[s.Outcome]++
	t.latency.add(latency)
	if !r.sent {
		return
	}
	t.Sent++
	t.service.add(service)
	t.late.add(int64(s.LateUS))
	t.lastSent = max(t.lastSent, time.UnixMicro(s.DueUS+int64(s.LateUS)).Sub(t.Began))
	if r.reached {
		t.Reached++
	}
	if r.again {
		t.Again++
	}
	if r.givenUp {
		t.GivenUp++
	}
}

// mostFail is an error when most of the last requests failed.
func (t *Tally) mostFail() error {
	n := min(t.Requests, len(t.recent))
	failed := 0
	for _, f := range t.recent[:n] {
		if f {
			failed++
		}
	}
	if n < fewest || failed*2 <= n {
		return nil
	}
	return fmt.Errorf("%d of the last %d requests failed", failed, n)
}

// fewest is how many requests say something about the others.
const fewest = 20

// Failed is how many requests did not end ok.
func (t *Tally) Failed() int { return t.Requests - t.Outcomes[schemas.OK] }

// Open is how many requests are due and have not ended.
func (t *Tally) Open(now time.Time) int {
	return max(0, min(t.Plan.dueIn(now.Sub(t.Began)), t.Plan.Requests())-t.Requests)
}

// Rate is how many requests per second were sent, up to when the next one would have been due.
func (t *Tally) Rate() float64 {
	if t.Sent == 0 {
		return 0
	}
	return float64(t.Sent) / (t.lastSent.Seconds() + 1/t.Plan.Rate)
}

// Figures are of durations, in milliseconds, and within 0.01 %. A percentile is what the rest of the requests took at least: p90 what one in ten did.
type Figures struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Latency is from when a request was due to its end.
func (t *Tally) Latency() Figures { return t.latency.figures() }

// Service is from when a request was sent to its end, of those that were.
func (t *Tally) Service() Figures { return t.service.figures() }

// Late is from when a request was due to when it was sent, of those that were.
func (t *Tally) Late() Figures { return t.late.figures() }

// durations are microseconds.
type durations struct {
	*hdrhistogram.Histogram
	longest int64
}

func newDurations() durations {
	return durations{Histogram: hdrhistogram.New(1, math.MaxUint32, 4)}
}

func (d *durations) add(us int64) {
	d.longest = max(d.longest, us)
	// Every number of a sample is in the histogram's range.
	_ = d.RecordValue(us)
}

func (d *durations) figures() Figures {
	n := float64(d.TotalCount())
	at := func(q float64) float64 {
		// The library counts up to a rank; this is the first one that no more than the rest of the requests lie at or beyond.
		rank := math.Floor(q*n+1e-6) + 1
		return float64(min(d.ValueAtPercentile(100*rank/n), d.longest)) / 1000
	}
	return Figures{d.Mean() / 1000, at(0.5), at(0.9), at(0.95), at(0.99), at(0.999), float64(d.longest) / 1000}
}
