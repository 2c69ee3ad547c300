package bus

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/schemas"
)

// Mirror is a live copy of a bucket. Run keeps it; the rest reads it. While the bus is away it holds what it last saw, so values that age carry their own time.
type Mirror[V schemas.Value] struct {
	bus    *Bus
	bucket schemas.Bucket[V]

	mu      sync.RWMutex
	entries map[string]Entry[V]
	synced  bool
	changed chan struct{}
}

// NewMirror makes an empty mirror; it fills once Run is called.
func NewMirror[V schemas.Value](b *Bus, bucket schemas.Bucket[V]) *Mirror[V] {
	return &Mirror[V]{bus: b, bucket: bucket, entries: map[string]Entry[V]{}, changed: make(chan struct{})}
}

// Run keeps the mirror until ctx ends. It reads the whole bucket anew after every reconnection, since what changed meanwhile may include keys that are gone.
func (m *Mirror[V]) Run(ctx context.Context) error {
	var troubles seldom
	for {
		reconnected := m.bus.connection()
		err := m.watch(ctx, reconnected)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, errReconnected) {
			if troubles.tell() {
				m.bus.log.Warn().Err(err).Str("bucket", m.bucket.Name()).Msg("mirror interrupted")
			}
			select {
			case <-reconnected:
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

var (
	errReconnected  = errors.New("reconnected")
	errWatchStopped = errors.New("the watch ended")
)

func (m *Mirror[V]) watch(ctx context.Context, reconnected <-chan struct{}) error {
	one, cancel := context.WithTimeout(ctx, 5*time.Second)
	kv, err := m.bus.js.KeyValue(one, m.bucket.Name())
	cancel()
	if err != nil {
		return err
	}
	watcher, err := kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Stop() }()
	fresh := map[string]Entry[V]{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reconnected:
			return errReconnected
		case update, ok := <-watcher.Updates():
			switch {
			case !ok:
				return errWatchStopped
			case update == nil:
				// The marker between what was there and what happens from now on.
				m.replace(fresh)
				fresh = nil
			case fresh != nil:
				m.apply(fresh, update)
			default:
				m.mu.Lock()
				m.apply(m.entries, update)
				m.signal()
				m.mu.Unlock()
			}
		}
	}
}

func (m *Mirror[V]) replace(entries map[string]Entry[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.synced = entries, true
	m.signal()
}

// signal wakes everyone who waits for a change; the lock is held.
func (m *Mirror[V]) signal() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Mirror[V]) apply(entries map[string]Entry[V], update jetstream.KeyValueEntry) {
	if update.Operation() != jetstream.KeyValuePut {
		delete(entries, update.Key())
		return
	}
	value, err := m.bucket.Decode(update.Key(), update.Value())
	if err != nil {
		m.bus.log.Warn().Err(err).Msg("value rejected")
		delete(entries, update.Key())
		return
	}
	entries[update.Key()] = Entry[V]{value, update.Revision()}
}

// Synced says whether the mirror has seen the whole bucket since it started.
func (m *Mirror[V]) Synced() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.synced
}

// Wait returns when the mirror has seen the whole bucket, or when ctx ends.
func (m *Mirror[V]) Wait(ctx context.Context) error {
	for {
		changed := m.Changed()
		if m.Synced() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Changed returns a channel that is closed at the next change. Take it before reading, so that no change is missed.
func (m *Mirror[V]) Changed() <-chan struct{} {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.changed
}

// All returns a copy of every entry by key.
func (m *Mirror[V]) All() map[string]Entry[V] {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.entries)
}

// Get returns the value under the tokens of its key.
func (m *Mirror[V]) Get(tokens ...string) (Entry[V], bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, ok := m.entries[schemas.KeyOf(tokens...)]
	return e, ok
}
