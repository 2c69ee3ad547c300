package table_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

var stored = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func message(tb testing.TB, rows int, due time.Time) bus.Message {
	tb.Helper()
	b := &schemas.SampleBatch{Vantage: "tokyo", VantageRegion: "tokyo", Boot: 1, Counter: 1, Topology: "t1"}
	for i := range rows {
		b.Append(schemas.Sample{App: "shop", Region: []string{"london", "dallas"}[i%2], Variant: "slim", Kind: schemas.KindHTTP, Outcome: schemas.OK,
			DueUS: due.UnixMicro() + int64(i), LatencyUS: 1000, FirstByteUS: 10, Status: 200})
	}
	data, err := b.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return bus.Message{Stream: schemas.Samples, Sequence: 1, Subject: schemas.SampleSubject("tokyo"), Data: data, Stored: stored}
}

// A block holds a hundred thousand samples five times a second: what is allocated per sample is paid by the garbage collector.
func TestSamplesAllocateNextToNothing(t *testing.T) {
	var s table.Samples
	m := message(t, 1000, stored)
	fill := func() {
		s.Reset()
		for range 20 {
			if _, err := s.Add(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	if got := testing.AllocsPerRun(10, fill) / 20_000; got > 0.01 {
		t.Errorf("%.4f allocations per sample, want at most 0.01", got)
	}
}

func TestSamplesOfAWrongClockAreRefusedWhole(t *testing.T) {
	for name, due := range map[string]time.Time{"past": stored.Add(-15 * 24 * time.Hour), "future": stored.Add(2 * time.Hour)} {
		var s table.Samples
		rows, err := s.Add(message(t, 10, due))
		if rows != 0 || err == nil || !strings.Contains(err.Error(), "the due time") {
			t.Errorf("%s: %d rows, %v, want none and the reason", name, rows, err)
		}
		if got := s.Tables()[0].Count; got != 0 {
			t.Errorf("%s: %d rows are kept", name, got)
		}
	}
}

// Memory that is used again must not show through where a batch leaves a column out.
func TestSamplesForgetTheBatchBefore(t *testing.T) {
	var s table.Samples
	if _, err := s.Add(message(t, 10, stored)); err != nil {
		t.Fatal(err)
	}
	b := &schemas.SampleBatch{Vantage: "tokyo", Boot: 1, Counter: 2}
	b.Append(schemas.Sample{App: "other", Region: "london", Variant: "single", Kind: schemas.KindICMP, Outcome: schemas.TimedOut, DueUS: stored.UnixMicro()})
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(bus.Message{Subject: schemas.SampleSubject("tokyo"), Sequence: 2, Data: data, Stored: stored}); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Tables()[0].Columns {
		switch values := c.Values.(type) {
		case []uint32:
			if values[10] != 0 {
				t.Errorf("%s is %d, want 0", c.Name, values[10])
			}
		case []uint16:
			if values[10] != 0 {
				t.Errorf("%s is %d, want 0", c.Name, values[10])
			}
		case []*string:
			want := map[string]string{"app": "other", "kind": "icmp", "vantage": "tokyo", "region": "london", "variant": "single", "outcome": "timeout"}[c.Name]
			if *values[10] != want {
				t.Errorf("%s is %q, want %q", c.Name, *values[10], want)
			}
		}
	}
}

func BenchmarkSamples(b *testing.B) {
	var s table.Samples
	m := message(b, 1000, stored)
	for b.Loop() {
		s.Reset()
		if _, err := s.Add(m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
}
