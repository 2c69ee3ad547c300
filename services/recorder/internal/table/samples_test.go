package table_test

import (
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
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
func TestSamplesAllocateNothing(t *testing.T) {
	s := table.Samples{Lateness: table.Measured}
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
	if got := testing.AllocsPerRun(10, fill); got != 0 {
		t.Errorf("%.0f allocations for 20 batches, want none", got)
	}
}

// A sample's due time is held against the moment the bus stored it: what can not be believed is kept apart, the rest of its batch is not.
func TestSamplesOfAWrongClockAreKeptApart(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		lateness table.Lateness
		due      time.Duration
		spooled  bool
		reason   string
	}{
		"a day ago":                     {table.Measured, -day, false, ""},
		"more than a day ago":           {table.Measured, -day - time.Second, false, "late"},
		"spooled for three days":        {table.Measured, -3 * day, true, ""},
		"spooled for more":              {table.Measured, -3*day - time.Second, true, "late"},
		"five minutes ahead":            {table.Measured, 5 * time.Minute, false, ""},
		"more than five minutes ahead":  {table.Measured, 5*time.Minute + time.Second, true, "early"},
		"imported from last week":       {table.Imported(14 * day), -7 * day, false, ""},
		"imported beyond the retention": {table.Imported(14 * day), -15 * day, false, "late"},
	} {
		b := &schemas.SampleBatch{Vantage: "tokyo", Boot: 1, Counter: 1, Spooled: c.spooled}
		for _, due := range []time.Duration{0, c.due, -time.Second} {
			b.Append(schemas.Sample{App: "shop", Region: "london", Variant: "slim", Kind: schemas.KindICMP, Outcome: schemas.OK, DueUS: stored.Add(due).UnixMicro(), LatencyUS: 5})
		}
		data, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s := table.Samples{Lateness: c.lateness}
		if n, err := s.Add(bus.Message{Subject: schemas.SampleSubject("tokyo"), Sequence: 7, Data: data, Stored: stored}); n != 3 || err != nil {
			t.Fatalf("%s: %d rows, %v", name, n, err)
		}
		var samples []table.Rows
		var apart table.Rows
		for _, r := range s.Tables() {
			if r.Table == "samples" {
				samples = append(samples, r)
			} else {
				apart = r
			}
		}
		count := 0
		for _, r := range samples {
			count += r.Count
		}
		kept := 3
		if c.reason != "" {
			kept = 2
			if got := values[string](apart, "reason"); !slices.Equal(got, []string{c.reason}) {
				t.Errorf("%s: kept apart for %q, want %q", name, got, c.reason)
			}
			if got := values[uint16](samples[0], "batch_row"); !slices.Equal(got, []uint16{0, 2}) {
				t.Errorf("%s: rows %v are samples, want 0 and 2", name, got)
			}
		}
		if count != kept || apart.Count != 3-kept {
			t.Errorf("%s: %d samples and %d apart, want %d and %d", name, count, apart.Count, kept, 3-kept)
		}
		if got := values[int32](samples[0], "stored_after_s"); got[0] != 0 || got[len(got)-1] != 1 {
			t.Errorf("%s: stored after %d s, want 0 first and 1 last", name, got)
		}
	}
}

// values are a column's.
func values[V any](r table.Rows, name string) []V {
	for _, c := range r.Columns {
		if c.Name == name {
			return c.Values.([]V)
		}
	}
	return nil
}

// Memory that is used again must not show through where a batch leaves a column out.
func TestSamplesForgetTheBatchBefore(t *testing.T) {
	s := table.Samples{Lateness: table.Measured}
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
	for _, c := range s.Tables()[1].Columns {
		switch values := c.Values.(type) {
		case []uint32:
			if values[10] != 0 {
				t.Errorf("%s is %d, want 0", c.Name, values[10])
			}
		case []uint16:
			if values[10] != 0 {
				t.Errorf("%s is %d, want 0", c.Name, values[10])
			}
		case clickhouse.Names:
			want := map[string]string{"app": "other", "kind": "icmp", "vantage": "tokyo", "region": "london", "variant": "single", "outcome": "timeout"}[c.Name]
			if values.At(10) != want {
				t.Errorf("%s is %q, want %q", c.Name, values.At(10), want)
			}
		}
	}
}

func BenchmarkSamples(b *testing.B) {
	s := table.Samples{Lateness: table.Measured}
	m := message(b, 1000, stored)
	b.ReportAllocs()
	for b.Loop() {
		s.Reset()
		if _, err := s.Add(m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
}
