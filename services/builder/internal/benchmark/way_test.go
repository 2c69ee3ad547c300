package benchmark

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestABuildEndsTheBenchmarkAndHoldsBackTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &Way{}
		one, stop, err := way.Benchmark(t.Context())
		if err != nil || one.Err() != nil {
			t.Fatalf("a benchmark with no build: %v and %v", err, one.Err())
		}
		defer stop(nil)
		first, second := way.Build(), way.Build()
		if cause := context.Cause(one); !errors.Is(cause, ErrBuild) {
			t.Errorf("the benchmark ended with %v, want %v", cause, ErrBuild)
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
		way := &Way{}
		defer way.Build()()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := way.Benchmark(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}
