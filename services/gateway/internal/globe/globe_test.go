package globe_test

import (
	"math"
	"testing"

	"github.com/leeward-failover/leeward/services/gateway/internal/globe"
)

// TestProjectFillsTheMap checks the ends of the globe, which are where the map ends, and a place in between.
func TestProjectFillsTheMap(t *testing.T) {
	for _, c := range []struct {
		name     string
		lat, lon float64
		want     globe.Point
	}{
		{"middle", 0, 0, globe.Point{X: 500, Y: 243.45}},
		{"east end", 0, 180, globe.Point{X: 1000, Y: 243.45}},
		{"west end", 0, -180, globe.Point{X: 0, Y: 243.45}},
		{"north pole", 90, 0, globe.Point{X: 500, Y: 0}},
		{"south pole", -90, 0, globe.Point{X: 500, Y: globe.Height}},
	} {
		if got := globe.Project(c.lat, c.lon); math.Abs(got.X-c.want.X) > 0.1 || math.Abs(got.Y-c.want.Y) > 0.1 {
			t.Errorf("%s is at %.2f, want %.2f", c.name, got, c.want)
		}
	}
	frankfurt, tokyo := globe.Project(50.11, 8.68), globe.Project(35.68, 139.69)
	if frankfurt.X >= tokyo.X || frankfurt.Y >= tokyo.Y {
		t.Errorf("Frankfurt %v is not north-west of Tokyo %v", frankfurt, tokyo)
	}
}
