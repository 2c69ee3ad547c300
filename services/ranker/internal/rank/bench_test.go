package rank_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// crowd is ten regions with four variants each, measured from ten vantages; the share of candidates that can not be told from the first is near.
type crowd struct {
	window         time.Duration
	perBlock, ping int
	near           float64
}

func (c crowd) inputs(b *testing.B) (rank.Inputs, schemas.Topology) {
	b.Helper()
	world := topology()
	app := &world.Apps[0]
	app.Objective.Window = schemas.Duration(c.window)
	app.Variants, app.Endpoints, world.Regions, world.Vantages = nil, nil, nil, nil
	for i := range 4 {
		app.Variants = append(app.Variants, schemas.Variant{Name: fmt.Sprintf("variant-%d", i)})
	}
	for i := range 10 {
		region := fmt.Sprintf("region-%d", i)
		world.Regions = append(world.Regions, schemas.Region{Name: region, Jurisdiction: "DE"})
		world.Vantages = append(world.Vantages, schemas.Vantage{Name: region, Region: region})
		for _, v := range app.Variants {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: v.Name, HTTP: "http://x"})
		}
	}
	in := rank.NewInputs(*app, world.Hash(), end)
	random := rand.New(rand.NewPCG(1, 1))
	for i, e := range app.Endpoints {
		ms := 50.0
		if float64(i) >= c.near*float64(len(app.Endpoints)) {
			ms = 60 + 3*float64(i)
		}
		for _, v := range world.Vantages {
			in.Cells = append(in.Cells, cellOf(b, in, v.Name, e.Candidate().String(), "http", c.perBlock, around(random, ms)))
			if c.ping > 0 {
				ping := cellOf(b, in, v.Name, e.Candidate().String(), "icmp", 0, nil)
				ping.Blocks = []rank.Histogram{histogram(b, c.ping, around(random, 20))}
				in.Cells = append(in.Cells, ping)
			}
		}
	}
	slices.SortFunc(in.Cells, rank.Cell.Compare)
	return in, world
}

var crowds = map[string]crowd{
	"blocks=12/contested=0.1":  {10 * time.Minute, 50, 0, 0.1},
	"blocks=12/contested=0.25": {10 * time.Minute, 50, 0, 0.25},
	"blocks=12/contested=1":    {10 * time.Minute, 50, 0, 1},
	"blocks=60/contested=0.1":  {time.Hour, 6, 360, 0.1},
	"blocks=60/contested=1":    {time.Hour, 6, 360, 1},
}

// BenchmarkCompute follows a ranking of the same app.
func BenchmarkCompute(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(crowds)) {
		b.Run(name, func(b *testing.B) {
			in, world := crowds[name].inputs(b)
			state := healthy(world)
			state.Previous = compute(b, in, world, state)
			burn(b, func() error {
				_, err := rank.Compute(in, world.Apps[0], world, state)
				return err
			})
		})
	}
}

func BenchmarkStored(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(crowds)) {
		b.Run(name, func(b *testing.B) {
			in, world := crowds[name].inputs(b)
			r, err := rank.Compute(in, world.Apps[0], world, healthy(world))
			if err != nil {
				b.Fatal(err)
			}
			burn(b, func() error {
				_, err := r.Stored()
				return err
			})
		})
	}
}

// burn tells the processor time of each operation.
func burn(b *testing.B, operation func() error) {
	b.Helper()
	began := processor(b)
	for b.Loop() {
		if err := operation(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

// processor is the time that this process has had on all processors: what a busy machine does not change.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
