package benchmark

import (
	"context"
	"errors"
	"sync"
)

// ErrBuild says that a benchmark made way for a build.
var ErrBuild = errors.New("a build has begun")

// Way is the right of way, which builds have: as long as one runs no benchmark begins, and one under way ends.
type Way struct {
	mu     sync.Mutex
	builds int
	// free is closed when the last build ends; nil while none runs.
	free chan struct{}
	stop context.CancelCauseFunc
}

// Build takes the way for a build, until done is called.
func (w *Way) Build() (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.builds++; w.builds == 1 {
		w.free = make(chan struct{})
	}
	if w.stop != nil {
		w.stop(ErrBuild)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.builds--; w.builds == 0 {
			close(w.free)
			w.free = nil
		}
	}
}

// Benchmark waits until no build runs, and returns a context that ends with the next one.
func (w *Way) Benchmark(ctx context.Context) (context.Context, context.CancelCauseFunc, error) {
	for {
		w.mu.Lock()
		free := w.free
		if free == nil {
			one, stop := context.WithCancelCause(ctx)
			w.stop = stop
			w.mu.Unlock()
			return one, stop, nil
		}
		w.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}
