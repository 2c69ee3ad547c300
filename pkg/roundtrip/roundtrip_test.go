package roundtrip_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/roundtrip"
)

func TestRoundTripIsTheMeanOfBothSides(t *testing.T) {
	table, err := roundtrip.Read("window_end,src,dst,avg_rtt_ms\n2025-01-01,Here,There,10\n2025-01-01,There,Here,12\n2025-01-01,Here,Far,100\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b string
		want time.Duration
	}{{"here", "there", 11 * time.Millisecond}, {"There", "Here", 11 * time.Millisecond}, {"Here", "Far", 100 * time.Millisecond}, {"here", "here", 0}} {
		if got, err := table.RTT(c.a, c.b); err != nil || got != c.want {
			t.Errorf("%s to %s: %s, %v; want %s", c.a, c.b, got, err, c.want)
		}
	}
	if _, err := table.RTT("here", "nowhere"); err == nil {
		t.Error("a place that nobody measured has a round trip")
	}
	if _, err := roundtrip.Read("a,b,c,d\n1,2,3,far\n"); err == nil {
		t.Error("a figure that is none was read")
	}
}

func TestEveryPairOfTheDemosPlacesWasMeasured(t *testing.T) {
	table, err := roundtrip.InterRegion()
	if err != nil {
		t.Fatal(err)
	}
	places := []string{"madrid", "frankfurt", "london", "dallas", "tokyo"}
	for i, a := range places {
		for _, b := range places[:i] {
			if rtt, err := table.RTT(a, b); err != nil || rtt < time.Millisecond || rtt > 400*time.Millisecond {
				t.Errorf("%s to %s: %s, %v", a, b, rtt, err)
			}
		}
	}
}
