package rank_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

var end = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The world of these tests: three regions, a vantage in each and one outside, two variants everywhere but in tokyo.
func topology() schemas.Topology {
	app := schemas.App{
		Name: "shop", Source: schemas.Source{Context: "shop"}, Mode: "auto", Variants: []schemas.Variant{{Name: "single"}, {Name: "slim"}},
		Probe:     schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(800 * time.Millisecond)},
		Objective: schemas.Objective{Kind: "http", Quantile: 0.95, Window: schemas.Duration(2 * time.Minute)},
		Gates: schemas.Gates{MinDistanceKM: 300, MaxRTT: schemas.Duration(150 * time.Millisecond), Jurisdictions: []string{"DE", "GB"},
			MinSamples: 20, MaxAge: schemas.Duration(15 * time.Second)},
		Failover: schemas.Failover{Quorum: 0.5, MinVantages: 3},
	}
	for _, region := range []string{"frankfurt", "london"} {
		for _, variant := range []string{"single", "slim"} {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: variant, HTTP: "http://x"})
		}
	}
	app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: "tokyo", Variant: "slim", HTTP: "http://x"})
	return schemas.Topology{
		Version: 1, Apps: []schemas.App{app},
		Regions: []schemas.Region{
			{Name: "frankfurt", Location: schemas.Location{Latitude: 50.11, Longitude: 8.68}, Jurisdiction: "DE"},
			{Name: "london", Location: schemas.Location{Latitude: 51.51, Longitude: -0.13}, Jurisdiction: "GB"},
			// Not where Tokyo is: these worlds are measured alike from everywhere, and light has to get there in time.
			{Name: "tokyo", Location: schemas.Location{Latitude: 52.52, Longitude: 13.40}, Jurisdiction: "JP"},
		},
		Vantages: []schemas.Vantage{{Name: "frankfurt", Region: "frankfurt"}, {Name: "london", Region: "london"}, {Name: "madrid"}, {Name: "tokyo", Region: "tokyo"}},
	}
}

func candidate(name string) schemas.Candidate {
	region, variant, _ := strings.Cut(name, "/")
	return schemas.Candidate{Region: region, Variant: variant}
}

// failed stands for a measurement that did not end well.
const failed = -1.0

// cellOf makes a cell of perBlock samples in every block; draw gives each in milliseconds, or failed.
func cellOf(t testing.TB, in rank.Inputs, vantage, name, kind string, perBlock int, draw func() float64) rank.Cell {
	t.Helper()
	c := rank.Cell{Vantage: vantage, Candidate: candidate(name), Kind: kind, NewestMS: in.End.Add(-time.Second).UnixMilli()}
	for range in.Blocks() {
		c.Blocks = append(c.Blocks, histogram(t, perBlock, draw))
	}
	return c
}

func histogram(t testing.TB, n int, draw func() float64) rank.Histogram {
	t.Helper()
	var failures uint64
	var bins []int32
	var counts []uint64
	for range n {
		ms := draw()
		if ms == failed {
			failures++
			continue
		}
		bins = append(bins, int32(math.Floor(math.Log2(ms*1000)*rank.BinsPerOctave)))
		counts = append(counts, 1)
	}
	h, err := rank.NewHistogram(failures, bins, counts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func always(ms float64) func() float64 { return func() float64 { return ms } }

// around gives latencies whose 95th percentile is ms.
func around(random *rand.Rand, ms float64) func() float64 {
	const sigma, z95 = 0.05, 1.6449
	return func() float64 { return ms * math.Exp(sigma*(random.NormFloat64()-z95)) }
}

// mixed fails one time in every.
func mixed(ms float64, every int) func() float64 {
	i := 0
	return func() float64 {
		if i++; i%every == 0 {
			return failed
		}
		return ms
	}
}

// inputs measures the given candidates alike from every vantage, 10 samples a block.
func inputs(t testing.TB, world schemas.Topology, costs map[string]func() float64) rank.Inputs {
	t.Helper()
	in := rank.NewInputs(world.Apps[0], world.Hash(), end)
	for name, draw := range costs {
		for _, v := range world.Vantages {
			in.Cells = append(in.Cells, cellOf(t, in, v.Name, name, "http", 10, draw))
		}
	}
	return in
}

// healthy is a state in which every vantage sees everything up and every region holds its images.
func healthy(world schemas.Topology) rank.State {
	var s rank.State
	at := end.Add(-time.Second)
	app := world.Apps[0]
	for _, v := range world.Vantages {
		s.Presences = append(s.Presences, schemas.Presence{Vantage: v.Name, Sighted: true, At: at})
		for _, r := range world.Regions {
			s.Verdicts = append(s.Verdicts, schemas.Verdict{Vantage: v.Name, App: app.Name, Region: r.Name, Health: schemas.Up, At: at,
				Variants: []schemas.VariantHealth{{Variant: "single", OK: true}, {Variant: "slim", OK: true}}})
		}
	}
	for _, c := range app.Candidates(world) {
		s.Images = append(s.Images, schemas.ImageState{App: app.Name, Variant: c.Variant, Region: c.Region, Parity: "verified", Since: at,
			Digest: "sha256:" + strings.Repeat("0123456789abcdef", 4)})
	}
	return s
}

func compute(t testing.TB, in rank.Inputs, world schemas.Topology, state rank.State) schemas.Ranking {
	t.Helper()
	computed, err := rank.Compute(in, world.Apps[0], world, state)
	if err != nil {
		t.Fatal(err)
	}
	r, err := computed.Stored()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

// find returns a candidate of the order for an active region.
func find(t testing.TB, r schemas.Ranking, active, name string) schemas.RankedCandidate {
	t.Helper()
	for _, o := range r.Orders {
		for _, c := range o.Candidates {
			if o.Active == active && c.Candidate == candidate(name) {
				return c
			}
		}
	}
	t.Fatalf("no %s in the order for %s", name, active)
	return schemas.RankedCandidate{}
}
