package table_test

import (
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// What is found too much is never inserted: of a block with gaps between its batches the condition must leave out what is in the gaps.
func TestSamplesAreFoundByTheirBatchesAndNoOthers(t *testing.T) {
	s := table.Samples{Lateness: table.Measured}
	for _, b := range []struct {
		vantage string
		counter uint64
	}{{"tokyo", 8}, {"tokyo", 6}, {"london", 1000}, {"tokyo", 7}, {"tokyo", 10}} {
		batch := &schemas.SampleBatch{Vantage: b.vantage, Boot: 5, Counter: b.counter}
		for range 2 {
			batch.Append(schemas.Sample{App: "shop", Region: "london", Variant: "slim", Kind: schemas.KindICMP, Outcome: schemas.OK, DueUS: stored.UnixMicro()})
		}
		data, err := batch.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Add(bus.Message{Subject: schemas.SampleSubject(b.vantage), Sequence: 1, Data: data, Stored: stored}); err != nil {
			t.Fatal(err)
		}
	}
	b := &schemas.SampleBatch{Vantage: "madrid", Boot: 5, Counter: 3}
	b.Append(schemas.Sample{App: "shop", Region: "london", Variant: "slim", Kind: schemas.KindICMP, Outcome: schemas.OK, DueUS: stored.AddDate(0, 0, -9).UnixMicro()})
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(bus.Message{Subject: schemas.SampleSubject("madrid"), Sequence: 2, Data: data, Stored: stored}); err != nil {
		t.Fatal(err)
	}
	// Another partition's late samples have sequences between those of this block.
	if got, want := s.Tables()[0].Find(), " AND (vantage = 'madrid' AND boot = 5 AND counter BETWEEN 3 AND 3)"; !strings.HasSuffix(got, want) {
		t.Errorf("what is kept apart is found by %s, want %s", got, want)
	}
	want := "(vantage = 'london' AND boot = 5 AND counter BETWEEN 1000 AND 1000 OR vantage = 'tokyo' AND boot = 5 AND counter BETWEEN 10 AND 10 OR vantage = 'tokyo' AND boot = 5 AND counter BETWEEN 6 AND 8)"
	if got := s.Tables()[1].Find(); !strings.HasSuffix(got, want) {
		t.Errorf("found by %s, want %s", got, want)
	}
}
