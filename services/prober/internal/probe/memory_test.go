package probe_test

import (
	"context"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// TestNothingIsKeptOfWhoIsMeasuredOnce has targets that belong to no app: whoever asks for them can name as many as they like.
func TestNothingIsKeptOfWhoIsMeasuredOnce(t *testing.T) {
	s := serve(t, says("ok"))
	over := secured(t, nil)
	k := kit(t)
	for range 3 {
		if m := k.Measure(context.Background(), target.Target{Kind: schemas.KindHTTPKept, Address: s.URL, Timeout: time.Second}, time.Now()); m.Err != nil {
			t.Error(m.Err)
		}
		if m := k.Measure(context.Background(), target.Target{Kind: schemas.KindTLSResumed, Address: over, Timeout: time.Second}, time.Now()); m.Err != nil {
			t.Error(m.Err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if open(s) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", open(s))
		}
	}
	if n := s.opened.Load(); n != 3 {
		t.Errorf("%d connections, want one each", n)
	}
}
