package spool_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/spool"
)

func batch(boot, counter uint64) *schemas.SampleBatch {
	b := &schemas.SampleBatch{Vantage: "london", Boot: boot, Counter: counter, Topology: "t"}
	b.Append(schemas.Sample{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindTCP, Outcome: schemas.OK, DueUS: 1_700_000_000_000_000, LatencyUS: 5})
	return b
}

func open(t *testing.T, dir string, limit int64) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, "london", limit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *spool.Spool, b *schemas.SampleBatch) (dropped int) {
	t.Helper()
	dropped, err := s.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	return dropped
}

func take(t *testing.T, s *spool.Spool) spool.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	b, err := s.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBatchesKeepTheirNameAndOrderOverARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	for _, n := range []uint64{9, 10, 11} {
		put(t, s, batch(5, n))
	}
	delivered := take(t, s)
	s.Done(delivered)
	take(t, s)
	if err := os.WriteFile(filepath.Join(dir, "x.batch.partial"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, 1<<20)
	put(t, again, batch(6, 1))
	var ids []string
	for range 3 {
		b := take(t, again)
		if b.Subject != schemas.SampleSubject("london") {
			t.Errorf("subject %s", b.Subject)
		}
		ids = append(ids, b.ID)
	}
	if delivered.ID != "london:5:9" || ids[0] != "london:5:10" || ids[1] != "london:5:11" || ids[2] != "london:6:1" {
		t.Errorf("delivered %s, then %v after the restart", delivered.ID, ids)
	}
	if _, err := os.Stat(filepath.Join(dir, "x.batch.partial")); !os.IsNotExist(err) {
		t.Error("a half-written file survived")
	}
}

func TestReturnedBatchIsOfferedAgain(t *testing.T) {
	s := open(t, t.TempDir(), 1<<20)
	put(t, s, batch(5, 1))
	b := take(t, s)
	s.Return(b)
	if again := take(t, s); again.ID != b.ID {
		t.Errorf("got %s, want %s again", again.ID, b.ID)
	}
}

func TestFullSpoolDropsTheOldestThatNobodyDelivers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	put(t, s, batch(5, 1))
	_, size, _ := s.State()
	s = open(t, dir, 3*size)
	underWay := take(t, s)
	dropped := 0
	for n := uint64(2); n <= 5; n++ {
		dropped += put(t, s, batch(5, n))
	}
	batches, bytes, lost := s.State()
	if dropped != 2 || lost != 2 || batches != 3 || bytes > 3*size {
		t.Errorf("%d batches dropped, %d counted, %d left with %d bytes; want 2, 2 and 3 within %d", dropped, lost, batches, bytes, 3*size)
	}
	if next := take(t, s); underWay.ID != "london:5:1" || next.ID != "london:5:4" {
		t.Errorf("%s was under way and %s came next, want the oldest waiting gone", underWay.ID, next.ID)
	}
}

func TestDamagedFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	put(t, s, batch(5, 1))
	name := filepath.Join(dir, "00000000000000000005-00000000000000000001")
	if err := os.WriteFile(name+".batch", []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, batch(5, 2))
	if _, err := s.Take(t.Context()); err == nil {
		t.Fatal("rubbish was taken for a batch")
	}
	if b := take(t, s); b.ID != "london:5:2" {
		t.Errorf("got %s after the damaged file, want the next", b.ID)
	}
	if _, err := os.Stat(name + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestBatchThatTheDiskRefusesIsKeptInMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir, 1<<20)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(batch(5, 1)); err == nil {
		t.Error("no word of the disk's refusal")
	}
	b := take(t, s)
	s.Done(b)
	if n, _, _ := s.State(); b.ID != "london:5:1" || n != 0 {
		t.Errorf("got %s and %d left, want the batch from memory and none", b.ID, n)
	}
}
