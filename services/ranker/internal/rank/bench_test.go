package rank_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// crowd is ten regions with four variants each, measured from ten vantages once a second for ten minutes; the share of candidates that can not be told from the first is near.
func crowd(b *testing.B, near float64) (rank.Inputs, schemas.Topology) {
	b.Helper()
	world := topology()
	app := &world.Apps[0]
	app.Objective.Window = schemas.Duration(10 * time.Minute)
	app.Variants, app.Endpoints, world.Regions, world.Vantages = nil, nil, nil, nil
	for i := range 4 {
		app.Variants = append(app.Variants, schemas.Variant{Name: fmt.Sprintf("variant-%d", i)})
	}
	for i := range 10 {
		region := fmt.Sprintf("region-%d", i)
		world.Regions = append(world.Regions, schemas.Region{Name: region})
		world.Vantages = append(world.Vantages, schemas.Vantage{Name: region, Region: region})
		for _, v := range app.Variants {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: v.Name, HTTP: "http://x"})
		}
	}
	in := rank.NewInputs(*app, world.Hash(), end)
	random := rand.New(rand.NewPCG(1, 1))
	for i, e := range app.Endpoints {
		ms := 50.0
		if float64(i) >= near*float64(len(app.Endpoints)) {
			ms = 60 + 3*float64(i)
		}
		for _, v := range world.Vantages {
			in.Cells = append(in.Cells, cellOf(b, in, v.Name, e.Candidate().String(), "http", 50, around(random, ms)))
		}
	}
	return in, world
}

func BenchmarkCompute(b *testing.B) {
	for _, near := range []float64{0.1, 0.25, 1} {
		b.Run(fmt.Sprintf("contested=%g", near), func(b *testing.B) {
			in, world := crowd(b, near)
			state := healthy(world)
			began := processor(b)
			for b.Loop() {
				if _, err := rank.Compute(in, world.Apps[0], world, state); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
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
