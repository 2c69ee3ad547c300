package partition

import (
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
)

var errNotStarted = errors.New("not read yet")

// trouble is what keeps a partition from being recorded, for readiness and the log.
type trouble struct {
	mu      sync.Mutex
	problem error
}

// begin says that the partition is to be recorded here from now on, end that it is not any more: another recorder's partition is no trouble of this one.
func (t *trouble) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problem = errNotStarted
}

func (t *trouble) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problem = nil
}

// set notes a problem and logs it when it is the first after things went well.
func (t *trouble) set(log zerolog.Logger, problem error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.problem == nil || errors.Is(t.problem, errNotStarted) {
		log.Warn().Err(problem).Msg("recording interrupted")
	}
	t.problem = problem
}

func (t *trouble) clear(log zerolog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.problem != nil && !errors.Is(t.problem, errNotStarted) {
		log.Info().Msg("recording resumed")
	}
	t.problem = nil
}

func (t *trouble) err(partition string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.problem == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", partition, t.problem)
}
