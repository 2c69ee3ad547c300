// Package board writes what is worth only its newest version, such as a verdict. A write that is slow or fails never holds up its caller and never queues: a newer one takes its place.
package board

import (
	"context"
	"sync"
	"time"
)

// Notice is one version of what is written under a key.
type Notice struct {
	// Life bounds the write: later the version is worth nothing.
	Life  time.Duration
	Write func(context.Context) error
}

// Board keeps one write under way and one waiting for each key.
type Board struct {
	// Failed is told of writes that failed in their whole life.
	Failed func(key string, err error)

	mu      sync.Mutex
	waiting map[string]*Notice
	work    sync.WaitGroup
}

// Post writes a notice, at once or after the one under way, in place of any that waits.
func (b *Board) Post(ctx context.Context, key string, n Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = map[string]*Notice{}
	}
	if _, busy := b.waiting[key]; busy {
		b.waiting[key] = &n
		return
	}
	b.waiting[key] = nil
	b.work.Go(func() { b.write(ctx, key, n) })
}

// Wait returns when no write is under way.
func (b *Board) Wait() { b.work.Wait() }

func (b *Board) write(ctx context.Context, key string, n Notice) {
	for next := &n; next != nil; next = b.next(key) {
		one, cancel := context.WithTimeout(ctx, next.Life)
		err := next.Write(one)
		cancel()
		if err != nil && ctx.Err() == nil {
			b.Failed(key, err)
		}
	}
}

// next takes the notice that waits under a key; without one the key is free again.
func (b *Board) next(key string) *Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.waiting[key]
	if n == nil {
		delete(b.waiting, key)
	} else {
		b.waiting[key] = nil
	}
	return n
}
