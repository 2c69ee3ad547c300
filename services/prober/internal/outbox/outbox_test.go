package outbox_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/meter"
	"github.com/leeward-failover/leeward/services/prober/internal/outbox"
	"github.com/leeward-failover/leeward/services/prober/internal/spool"
)

// office is where batches are published: it refuses the first ones.
type office struct {
	mu      sync.Mutex
	refuse  int
	samples map[int64]int
	batches []*schemas.SampleBatch
	arrived chan struct{}
}

func (o *office) publish(_ context.Context, subject, _ string, data []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse > 0 {
		o.refuse--
		return errors.New("closed")
	}
	b, err := schemas.DecodeSampleBatch(subject, data)
	if err != nil {
		return err
	}
	o.batches = append(o.batches, b)
	for _, due := range b.DueUS {
		o.samples[due]++
	}
	o.arrived <- struct{}{}
	return nil
}

// run sends samples with due times 1 to n, changing the topology in the middle, and stops the outbox once the batches have arrived, or at once.
func run(t *testing.T, o *office, n, batches int) {
	t.Helper()
	o.samples, o.arrived = map[int64]int{}, make(chan struct{}, 100)
	store, err := spool.Open(t.TempDir(), "london", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	out := &outbox.Outbox{Vantage: "london", Boot: 7, Spool: store, Publish: o.publish, Meter: meter.New(prometheus.NewRegistry(), "london", store.State), Log: zerolog.Nop()}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = out.Run(ctx) }()
	for i := range n {
		from := outbox.Origin{Topology: "old"}
		if i >= n/2 {
			from.Topology = "new"
		}
		out.Add(from, schemas.Sample{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindTCP, Outcome: schemas.OK, DueUS: int64(i + 1)})
	}
	for range batches {
		select {
		case <-o.arrived:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d batches arrived, want %d", len(o.batches), batches)
		}
	}
	stop()
	<-done
	for due := range int64(n) {
		if got := o.samples[due+1]; got != 1 {
			t.Fatalf("sample %d arrived %d times, want once", due+1, got)
		}
	}
	if left, _, _ := store.State(); left != 0 {
		t.Errorf("%d batches are left in the spool", left)
	}
}

func TestRefusedBatchIsSentAgain(t *testing.T) {
	run(t, &office{refuse: 12}, 100, 2)
}

func TestBatchHoldsOneTopologyAndAtMostSoMany(t *testing.T) {
	o := &office{}
	run(t, o, 2400, 6)
	for _, b := range o.batches {
		if b.Len() > 500 {
			t.Errorf("a batch holds %d samples, want at most 500", b.Len())
		}
		for _, due := range b.DueUS {
			if want := map[bool]string{true: "old", false: "new"}[due <= 1200]; b.Topology != want {
				t.Fatalf("sample %d is in a batch of topology %s, want %s", due, b.Topology, want)
			}
		}
	}
}

func TestStoppedOutboxSendsWhatItHolds(t *testing.T) {
	run(t, &office{}, 100, 0)
}
