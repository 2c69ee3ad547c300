package schemas_test

import (
	"errors"
	"maps"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// stored is the topology bucket after each part was written.
func stored(t *testing.T, bucket map[string]schemas.TopologyPart, parts []schemas.TopologyPart) map[string]schemas.TopologyPart {
	t.Helper()
	for _, p := range parts {
		key, data, err := schemas.TopologyBucket.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		if bucket[key], err = schemas.TopologyBucket.Decode(key, data); err != nil {
			t.Fatal(err)
		}
	}
	return bucket
}

func TestTopologyIsPutTogetherFromItsParts(t *testing.T) {
	want := topology()
	parts := want.Parts("api", at(0))
	if last := parts[len(parts)-1]; last.Current == nil || last.Current.Hash != want.Hash() {
		t.Fatalf("the last part is %+v, want the index", last)
	}
	got, err := schemas.Assemble(stored(t, map[string]schemas.TopologyPart{}, parts))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestReadersSeeOneTopologyOrTheOther cuts an apply short after each part, and lets a second one get ahead of it.
func TestReadersSeeOneTopologyOrTheOther(t *testing.T) {
	before, after, rival := topology(), topology(), topology()
	after.Apps[0].Mode, rival.Apps[0].Mode = "observe", "other"
	bucket := stored(t, map[string]schemas.TopologyPart{}, before.Parts("api", at(0)))
	parts := after.Parts("api", at(1))
	for n := range parts {
		cut := stored(t, maps.Clone(bucket), parts[:n])
		if got, err := schemas.Assemble(cut); err != nil || got.Hash() != before.Hash() {
			t.Errorf("after %d parts: %s, %v; want %s", n, got.Hash(), err, before.Hash())
		}
		won := stored(t, cut, rival.Parts("api", at(2)))
		late := stored(t, won, parts[n:len(parts)-1])
		if got, err := schemas.Assemble(late); err != nil || got.Hash() != rival.Hash() {
			t.Errorf("overtaken after %d parts: %s, %v; want %s", n, got.Hash(), err, rival.Hash())
		}
	}
}

func TestPartsThatDoNotAddUpAreTorn(t *testing.T) {
	all := stored(t, map[string]schemas.TopologyPart{}, topology().Parts("api", at(0)))
	for key := range all {
		missing := maps.Clone(all)
		delete(missing, key)
		if _, err := schemas.Assemble(missing); !errors.Is(err, schemas.ErrTorn) {
			t.Errorf("without %s: %v, want ErrTorn", key, err)
		}
	}
	changed := topology()
	changed.Regions[0].Jurisdiction = "FR"
	part := changed.Parts("api", at(0))[0]
	part.Topology = topology().Hash()
	if _, err := schemas.Assemble(stored(t, maps.Clone(all), []schemas.TopologyPart{part})); !errors.Is(err, schemas.ErrTorn) {
		t.Errorf("with a part of other content: %v, want ErrTorn", err)
	}
	if _, err := schemas.Assemble(nil); !errors.Is(err, schemas.ErrTorn) {
		t.Errorf("of nothing: %v, want ErrTorn", err)
	}
}

// TestDistancesAreThoseOfTheGlobe compares with great-circle distances between city centres as they are published; the earth is no sphere, so they agree to half a percent.
func TestDistancesAreThoseOfTheGlobe(t *testing.T) {
	place := map[string]schemas.Location{
		"London": {Latitude: 51.5074, Longitude: -0.1278}, "Paris": {Latitude: 48.8566, Longitude: 2.3522}, "New York": {Latitude: 40.7128, Longitude: -74.0060},
		"Tokyo": {Latitude: 35.6762, Longitude: 139.6503}, "Sydney": {Latitude: -33.8688, Longitude: 151.2093}, "Los Angeles": {Latitude: 34.0522, Longitude: -118.2437},
	}
	for _, c := range []struct {
		from, to string
		km       float64
	}{{"London", "Paris", 344}, {"London", "New York", 5570}, {"Tokyo", "Los Angeles", 8815}, {"Sydney", "London", 16_994}} {
		from, to := place[c.from], place[c.to]
		if got := from.DistanceKM(to); math.Abs(got-c.km) > c.km*0.005 {
			t.Errorf("%s to %s: %.0f km, want %.0f", c.from, c.to, got, c.km)
		}
		if there, back := from.DistanceKM(to), to.DistanceKM(from); math.Abs(there-back) > 1e-6 {
			t.Errorf("%s to %s is %f km, and back %f", c.from, c.to, there, back)
		}
	}
	pole, antipode := schemas.Location{Latitude: 90}, schemas.Location{Latitude: -90, Longitude: 77}
	if got, want := pole.DistanceKM(antipode), math.Pi*6371.0088; math.Abs(got-want) > 1e-3 {
		t.Errorf("pole to pole: %f km, want %f", got, want)
	}
	if got := place["Paris"].DistanceKM(place["Paris"]); got != 0 {
		t.Errorf("nowhere: %f km", got)
	}
}

func TestDurationsAreWrittenAsInGo(t *testing.T) {
	var d schemas.Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || d.D() != 90*time.Second || d.String() != "1m30s" {
		t.Errorf("got %v, %v", d, err)
	}
	for _, bad := range []string{"", "90", "1 s", "soon", "1d"} {
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a duration of %v", bad, d)
		}
	}
}

func TestTimeToLiveIsThreeRoundsInWholeSeconds(t *testing.T) {
	for round, want := range map[time.Duration]time.Duration{100 * time.Millisecond: time.Second, time.Second: 3 * time.Second, 1200 * time.Millisecond: 4 * time.Second, time.Minute: 3 * time.Minute} {
		if got := schemas.TimeToLive(round); got != want {
			t.Errorf("rounds of %v: %v, want %v", round, got, want)
		}
	}
}
