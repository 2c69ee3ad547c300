// Package spool keeps batches on disk until they are delivered. A batch keeps its name through crashes, so that delivering it twice can be told from two batches.
package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/leeward-failover/leeward/schemas"
)

// Batch is an encoded batch of samples with its identity.
type Batch struct {
	ID, Subject string
	Data        []byte
	name        string
}

// Spool is a folder of batches, oldest first, with a bound on their size.
type Spool struct {
	dir, vantage string
	limit        int64

	mu      sync.Mutex
	entries []entry
	bytes   int64
	dropped int
	changed chan struct{}
}

// entry is a batch in the spool; taken while someone delivers it.
type entry struct {
	name  string
	size  int64
	taken bool
	// waited says that the bus did not take the batch at once.
	waited bool
	// data is set for a batch that the disk did not take.
	data []byte
}

// The endings of files: a whole batch, one being written, one that can not be read.
const (
	whole   = ".batch"
	partial = ".partial"
	damaged = ".damaged"
)

// Open opens a vantage's spool and finds what an earlier process left in it.
func Open(dir, vantage string, limit int64) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{dir: dir, vantage: vantage, limit: limit, changed: make(chan struct{})}
	for _, f := range files {
		switch filepath.Ext(f.Name()) {
		case partial:
			_ = os.Remove(filepath.Join(dir, f.Name()))
		case whole:
			info, err := f.Info()
			if err != nil {
				return nil, fmt.Errorf("spool: %w", err)
			}
			s.entries = append(s.entries, entry{name: f.Name(), size: info.Size(), waited: true})
			s.bytes += info.Size()
		}
	}
	return s, nil
}

// fileName sorts as batches were made.
func fileName(b *schemas.SampleBatch) string {
	return fmt.Sprintf("%020d-%020d%s", b.Boot, b.Counter, whole)
}

// Put adds a batch and returns when it is safe on disk. A batch that the disk does not take is kept in memory, and the error says why. Beyond the bound the oldest batches go.
func (s *Spool) Put(b *schemas.SampleBatch) (dropped int, err error) {
	data, err := b.Encode()
	if err != nil {
		return 0, err
	}
	e := entry{name: fileName(b), size: int64(len(data))}
	if err = s.write(e.name, data); err != nil {
		e.data = data
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
	s.bytes += e.size
	dropped = s.shrink()
	s.signal()
	return dropped, err
}

// write makes a file that is either whole after a crash or not there.
func (s *Spool) write(name string, data []byte) error {
	path := filepath.Join(s.dir, name)
	f, err := os.OpenFile(path+partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+partial, path)
	}
	if err == nil {
		err = syncFolder(s.dir)
	}
	if err != nil {
		_ = os.Remove(path + partial)
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// shrink drops the oldest batches that nobody delivers at the moment until the rest fits; the lock is held.
func (s *Spool) shrink() (dropped int) {
	for i := 0; i < len(s.entries) && s.bytes > s.limit; {
		if s.entries[i].taken {
			i++
			continue
		}
		_ = os.Remove(filepath.Join(s.dir, s.entries[i].name))
		s.remove(i)
		dropped++
	}
	s.dropped += dropped
	return dropped
}

func (s *Spool) remove(i int) {
	s.bytes -= s.entries[i].size
	s.entries = slices.Delete(s.entries, i, i+1)
}

// signal wakes everyone who waits; the lock is held.
func (s *Spool) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Take waits for the oldest batch that nobody delivers. Done or Return must follow.
func (s *Spool) Take(ctx context.Context) (Batch, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		i := slices.IndexFunc(s.entries, func(e entry) bool { return !e.taken })
		if i < 0 {
			s.mu.Unlock()
			select {
			case <-ctx.Done():
				return Batch{}, ctx.Err()
			case <-changed:
			}
			continue
		}
		s.entries[i].taken = true
		e := s.entries[i]
		s.mu.Unlock()
		b, err := s.read(e)
		if err == nil {
			return b, nil
		}
		s.setAside(e.name)
		return Batch{}, err
	}
}

// read reads a batch and checks that it is whole and this vantage's.
func (s *Spool) read(e entry) (Batch, error) {
	data := e.data
	if data == nil {
		var err error
		if data, err = os.ReadFile(filepath.Join(s.dir, e.name)); err != nil {
			return Batch{}, fmt.Errorf("spool: %w", err)
		}
	}
	subject := schemas.SampleSubject(s.vantage)
	b, err := schemas.DecodeSampleBatch(subject, data)
	if err != nil {
		return Batch{}, fmt.Errorf("spool file %s set aside: %w", e.name, err)
	}
	if e.waited {
		data = schemas.MarkSpooled(data)
	}
	return Batch{ID: b.MessageID(), Subject: subject, Data: data, name: e.name}, nil
}

// setAside keeps a file that can not be read for people to look at.
func (s *Spool) setAside(name string) {
	path := filepath.Join(s.dir, name)
	_ = os.Rename(path, strings.TrimSuffix(path, whole)+damaged)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped++
	s.forget(name)
}

// Done removes a batch that was delivered.
func (s *Spool) Done(b Batch) {
	// A file that outlives its batch is delivered again under the same identity.
	_ = os.Remove(filepath.Join(s.dir, b.name))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(b.name)
}

func (s *Spool) forget(name string) {
	if i := slices.IndexFunc(s.entries, func(e entry) bool { return e.name == name }); i >= 0 {
		s.remove(i)
		s.signal()
	}
}

// Return gives back a batch that was not delivered.
func (s *Spool) Return(b Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.entries, func(e entry) bool { return e.name == b.name }); i >= 0 {
		s.entries[i].taken, s.entries[i].waited = false, true
		s.signal()
	}
}

// State is how full the spool is, and how many batches it has lost since it was opened.
func (s *Spool) State() (batches int, bytes int64, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries), s.bytes, s.dropped
}

// Empty returns when nothing is left in the spool.
func (s *Spool) Empty(ctx context.Context) error {
	for {
		s.mu.Lock()
		changed, left := s.changed, len(s.entries)
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
