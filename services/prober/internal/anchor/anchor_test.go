package anchor_test

import (
	"net"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/prober/internal/anchor"
)

func TestReachCountsTheAnchorsThatAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	addresses := []string{gone.Addr().String(), l.Addr().String(), l.Addr().String(), "no port"}
	if got := anchor.Reach(t.Context(), new(net.Dialer).DialContext, addresses, 5*time.Second, len(addresses)); got != 2 {
		t.Errorf("%d of 4 answer, want 2", got)
	}
	if got := anchor.Reach(t.Context(), new(net.Dialer).DialContext, addresses, 5*time.Second, 1); got != 1 {
		t.Errorf("%d were waited for, want 1", got)
	}
	if got := anchor.Reach(t.Context(), new(net.Dialer).DialContext, nil, time.Second, 0); got != 0 {
		t.Errorf("%d of none answer", got)
	}
}

func TestHalfIsEnough(t *testing.T) {
	for n, want := range []int{0, 1, 1, 2, 2, 3} {
		if got := anchor.Enough(n); got != want {
			t.Errorf("%d of %d are enough, want %d", got, n, want)
		}
	}
}
