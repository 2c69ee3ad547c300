package rank_test

import (
	"math"
	"slices"
	"testing"

	"github.com/leeward-failover/leeward/pkg/roundtrip"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// least is how long light takes from frankfurt to london and back, in milliseconds.
func least(world schemas.Topology) float64 {
	return 2 * world.Regions[0].Location.DistanceKM(world.Regions[1].Location) / 200
}

// TestImpossibleRoundTripsAreLeftOutOfTheCost has something nearer than london answer frankfurt in its place.
func TestImpossibleRoundTripsAreLeftOutOfTheCost(t *testing.T) {
	for _, kind := range []string{"http", "tcp", "icmp"} {
		world, in, state := good(t)
		world.Vantages[1].Weight, world.Vantages[2].Weight, world.Vantages[0].Weight, world.Vantages[3].Weight = 1, 3, 4, 0
		before := find(t, compute(t, in, world, state), "frankfurt", "frankfurt/slim")
		in.Cells = slices.DeleteFunc(in.Cells, func(c rank.Cell) bool { return c.Candidate == candidate("london/slim") && c.Vantage != "tokyo" })
		in.Cells = append(in.Cells,
			cellOf(t, in, "london", "london/slim", "http", 10, always(10)), cellOf(t, in, "madrid", "london/slim", "http", 10, always(50)),
			cellOf(t, in, "frankfurt", "london/slim", kind, 10, always(2)))
		if kind != "http" {
			in.Cells = append(in.Cells, cellOf(t, in, "frankfurt", "london/slim", "http", 10, always(400)))
		}
		r := compute(t, in, world, state)
		got := find(t, r, "frankfurt", "london/slim")
		if want := (10 + 3*50.0) / 4; math.Abs(got.CostMS-want) > want/40 || !got.Enough || got.Samples != 240 {
			t.Errorf("%s: cost %.1f of %d samples, want that of london and madrid alone, %.1f", kind, got.CostMS, got.Samples, want)
		}
		if of := requestOf(t, r, "london/slim"); of.Samples != 240 || math.Abs(of.Quantile(0.5).MS-got.CostMS) > got.CostMS/40 {
			t.Errorf("%s: requests are told as %+v, want them of london and madrid alone, as the cost is", kind, of)
		}
		if after := find(t, r, "frankfurt", "frankfurt/slim"); after.CostMS != before.CostMS || after.Samples != before.Samples {
			t.Errorf("%s: another candidate's cost went from %.1f to %.1f", kind, before.CostMS, after.CostMS)
		}
		want := "london/slim: 2.0 ms by " + kind + " from frankfurt, at least 6.4 ms possible over 638 km: a location or the measurement is wrong; it is left out"
		if !slices.Equal(r.Warnings, []string{want}) {
			t.Errorf("warnings %q, want %q", r.Warnings, want)
		}
	}
}

// TestWrongLocationCostsTheCandidateItsPlaceAndNobodyElse puts london where nobody could have measured it from.
func TestWrongLocationCostsTheCandidateItsPlaceAndNobodyElse(t *testing.T) {
	world, in, state := good(t)
	world.Vantages = slices.DeleteFunc(world.Vantages, func(v schemas.Vantage) bool { return v.Region == "" || v.Name == "london" })
	world.Regions[1].Location = schemas.Location{Latitude: -51, Longitude: -170}
	r := compute(t, in, world, state)
	if got := find(t, r, "frankfurt", "london/slim"); got.Enough || got.Eligible || got.Samples != 0 {
		t.Errorf("london is %+v", got)
	}
	if got := find(t, r, "tokyo", "frankfurt/slim"); !got.Enough || got.Samples != 240 {
		t.Errorf("frankfurt is %+v", got)
	}
	if len(r.Warnings) != 2 {
		t.Errorf("warnings %q, want those of the two vantages", r.Warnings)
	}
}

func TestWhatLightCanDoIsBelieved(t *testing.T) {
	world, _, state := good(t)
	in := inputs(t, world, map[string]func() float64{"frankfurt/slim": always(20)})
	for _, c := range []struct {
		what, vantage, kind string
		ms                  float64
		warned              bool
	}{
		{"well below", "frankfurt", "http", 0.9 * least(world), true},
		{"below by less than the counting is fine", "frankfurt", "http", 0.999 * least(world), false},
		{"as fast as light", "frankfurt", "icmp", least(world), false},
		{"in the same region", "london", "icmp", 0.1, false},
		{"from no region", "madrid", "icmp", 0.1, false},
		{"to the region's database", "frankfurt", "db_write", 0.1, false},
	} {
		with := in
		with.Cells = append(slices.Clone(in.Cells), cellOf(t, in, c.vantage, "london/slim", c.kind, 10, always(c.ms)))
		if r := compute(t, with, world, state); (len(r.Warnings) > 0) != c.warned {
			t.Errorf("%s: warnings %q", c.what, r.Warnings)
		}
	}
}

// TestRecordedRoundTripsAreAllPossible holds what was measured between five real places to the check: none of it may be called wrong.
func TestRecordedRoundTripsAreAllPossible(t *testing.T) {
	table, err := roundtrip.InterRegion()
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]schemas.Location{"frankfurt": {Latitude: 50.11, Longitude: 8.68}, "london": {Latitude: 51.51, Longitude: -0.13}, "dallas": {Latitude: 32.78, Longitude: -96.80},
		"tokyo": {Latitude: 35.68, Longitude: 139.69}, "madrid": {Latitude: 40.42, Longitude: -3.70}}
	world := topology()
	world.Regions, world.Vantages = nil, nil
	for name, at := range places {
		world.Regions = append(world.Regions, schemas.Region{Name: name, Location: at})
		world.Vantages = append(world.Vantages, schemas.Vantage{Name: name, Region: name})
	}
	in := inputs(t, world, nil)
	for from := range places {
		for to := range places {
			rtt, err := table.RTT(from, to)
			if err != nil {
				t.Fatal(err)
			}
			if from != to {
				in.Cells = append(in.Cells, cellOf(t, in, from, to+"/slim", "icmp", 1, always(float64(rtt.Microseconds())/1000)))
			}
		}
	}
	if r := compute(t, in, world, rank.State{}); len(r.Warnings) > 0 || len(in.Cells) != 20 {
		t.Errorf("of %d round trips these are called wrong: %q", len(in.Cells), r.Warnings)
	}
}
