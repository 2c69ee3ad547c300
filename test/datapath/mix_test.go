package datapath_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/datapath"
)

// The figures of docs/reference/performance.md are of this mix and of no other.
func TestTheMixIsWhatTheFiguresSay(t *testing.T) {
	load, err := datapath.Make(time.Unix(1_800_000_000, 0), 10*time.Second, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := float64(load.Rows), 10.0*datapath.Rate; got < 0.95*want || got > 1.1*want {
		t.Errorf("%.0f samples in 10 s, want about %.0f", got, want)
	}
	type cell struct{ vantage, region, variant, kind string }
	cells, kinds, slow, subjects := map[cell]int{}, map[schemas.Kind]int{}, 0, map[string]bool{}
	for _, m := range load.Messages {
		b, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() > 1200 {
			t.Errorf("a batch of %d samples, want 100 to 1,000 or so", b.Len())
		}
		subjects[m.Subject[:len(m.Subject)-len(m.Vantage)]] = true
		for i := range b.Len() {
			s := b.At(i)
			cells[cell{b.Vantage, s.Region, s.Variant, s.Kind.String()}]++
			kinds[s.Kind]++
			if s.Outcome != schemas.OK {
				slow++
			}
			if s.Kind == schemas.KindHTTP && s.Outcome == schemas.OK && (s.DNSUS == 0 || s.ConnectUS == 0 || s.TLSUS == 0 || s.WriteUS == 0 || s.FirstByteUS == 0 || s.TransferUS == 0) {
				t.Fatalf("%+v has not all six phases", s)
			}
		}
	}
	if len(cells) != 6400 {
		t.Errorf("%d cells, want 6,400", len(cells))
	}
	if len(subjects) != schemas.SamplePartitions {
		t.Errorf("%d partitions are used, want %d", len(subjects), schemas.SamplePartitions)
	}
	for kind, percent := range map[schemas.Kind]int{schemas.KindICMP: 50, schemas.KindTCP: 10, schemas.KindHTTP: 30, schemas.KindDBRead: 10} {
		if got := 100 * float64(kinds[kind]) / float64(load.Rows); got < float64(percent)-1 || got > float64(percent)+1 {
			t.Errorf("%s is %.1f %%, want %d %%", kind, got, percent)
		}
	}
	if got := 100 * float64(slow) / float64(load.Rows); got < 0.1 || got > 0.3 {
		t.Errorf("%.2f %% failed, want 0.2 %%", got)
	}
}
