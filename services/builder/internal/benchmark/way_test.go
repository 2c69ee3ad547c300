package benchmark_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/leeward-failover/leeward/services/builder/internal/benchmark"
)

func TestABuildEndsTheBenchmarkAndHoldsBackTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &benchmark.Way{}
		one, stop, err := way.Benchmark(t.Context())
		if err != nil || one.Err() != nil {
			t.Fatalf("a benchmark with no build: %v and %v", err, one.Err())
		}
		defer stop(nil)
		first, second := way.Build(), way.Build()
		if cause := context.Cause(one); !errors.Is(cause, benchmark.ErrBuild) {
			t.Errorf("the benchmark ended with %v, want %v", cause, benchmark.ErrBuild)
		}
		began := false
		go func() {
			if _, stop, err := way.Benchmark(t.Context()); err == nil {
				began = true
				stop(nil)
			}
		}()
		first()
		synctest.Wait()
		if began {
			t.Error("a benchmark began while a build ran")
		}
		second()
		synctest.Wait()
		if !began {
			t.Error("no benchmark began after the last build")
		}
	})
}

func TestABenchmarkThatWaitsEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &benchmark.Way{}
		defer way.Build()()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := way.Benchmark(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}
