package probe

import (
	"sync"
	"time"

	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// memory keeps what the measurements of a target share. Targets come and go with the topology: what was not asked for in a while is forgotten.
type memory[T any] struct {
	make   func(target.Target) (*T, error)
	forget func(*T)

	mu    sync.Mutex
	notes map[target.Target]*note[T]
	swept time.Time
}

type note[T any] struct {
	of   *T
	used time.Time
}

// forgetAfter is how long a target may go unmeasured before it is forgotten; longer than a measurement can take.
const forgetAfter = 10 * time.Minute

// of returns what is kept of a target. Of one that belongs to no app nothing is: it is measured once, by whoever asks.
func (m *memory[T]) of(t target.Target) (*T, error) {
	if t.App == "" {
		made, err := m.make(t)
		if err == nil {
			m.forget(made)
		}
		return made, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.swept) > forgetAfter/10 {
		m.sweep(now.Add(-forgetAfter))
		m.swept = now
	}
	if n := m.notes[t]; n != nil {
		n.used = now
		return n.of, nil
	}
	made, err := m.make(t)
	if err != nil {
		return nil, err
	}
	if m.notes == nil {
		m.notes = map[target.Target]*note[T]{}
	}
	m.notes[t] = &note[T]{made, now}
	return made, nil
}

// sweep forgets what was last used before a time; the lock is held.
func (m *memory[T]) sweep(before time.Time) {
	for t, n := range m.notes {
		if n.used.Before(before) {
			m.forget(n.of)
			delete(m.notes, t)
		}
	}
}

// clear forgets everything.
func (m *memory[T]) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(time.Now().Add(time.Hour))
}
