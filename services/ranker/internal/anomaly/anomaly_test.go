package anomaly_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

// TestNoiseIsNoAnomaly holds the detector to its promise, one false alarm a day at most: over two days of 200 cells there may be two. The second day's minutes have a longer memory.
func TestNoiseIsNoAnomaly(t *testing.T) {
	t.Parallel()
	luck, promised := []float64{0.5, 0.8}, 2
	if racing { // nothing in it races
		luck, promised = luck[1:], 1
	}
	var alarms []string
	for seed, phi := range luck {
		w := newWorld(uint64(seed), calm)
		w.phi = phi
		for range 24 * 60 {
			for _, e := range w.pass() {
				if e.State == schemas.AnomalyBegan {
					alarms = append(alarms, said(e))
				}
			}
		}
	}
	t.Logf("%d false alarms in %d days", len(alarms), len(luck))
	if len(alarms) > promised {
		t.Errorf("%d false alarms in %d days, want %d at most:\n%s", len(alarms), len(luck), promised, strings.Join(alarms, "\n"))
	}
}

// warm is how many minutes a simulation runs before something happens.
const warm = 60

// after is a fault that begins when the simulation is warm and lasts some minutes.
func after(lasting int, within func(anomaly.Cell) bool, factor, loss float64) trouble {
	return func(c anomaly.Cell, minute int) (float64, float64) {
		if minute >= warm && minute < warm+lasting && within(c) {
			return factor, loss
		}
		return calm(c, minute)
	}
}

// found runs a world until five minutes after its fault, and returns what began.
func found(seed uint64, t trouble) (w *world, began []schemas.AnomalyDetected) {
	w = newWorld(seed, t)
	for range warm + 5 {
		for _, e := range w.pass() {
			if e.State == schemas.AnomalyBegan {
				began = append(began, e)
			}
		}
	}
	return w, began
}

// TestWhatHappensIsFoundInFiveMinutesAsOneThing counts in how many runs a fault was found in time, as exactly one anomaly with the right name.
func TestWhatHappensIsFoundInFiveMinutesAsOneThing(t *testing.T) {
	t.Parallel()
	inTokyo := func(c anomaly.Cell) bool { return c.Region == "tokyo" }
	fromMadrid := func(c anomaly.Cell) bool { return c.Vantage == "madrid" }
	both := func(c anomaly.Cell) bool { return inTokyo(c) && fromMadrid(c) }
	for _, c := range []struct {
		name       string
		trouble    trouble
		scope      schemas.AnomalyScope
		of, places int
		measure    schemas.AnomalyMeasure
		// runs are how many there are, of which it must be found in least.
		runs, least int
	}{
		{"a region is 30 % slower", after(5, inTokyo, 1.3, 0), schemas.AnomalyScope{Region: "tokyo"}, 40, 5, schemas.AnomalyLatency, 20, 19},
		{"a vantage sees everything slower", after(5, fromMadrid, 1.5, 0), schemas.AnomalyScope{Vantage: "madrid"}, 40, 1, schemas.AnomalyLatency, 10, 9},
		{"a path is slower", after(5, both, 1.5, 0), schemas.AnomalyScope{Vantage: "madrid", Region: "tokyo"}, 8, 1, schemas.AnomalyLatency, 10, 9},
		{"a path loses a quarter", after(5, both, 1, 0.25), schemas.AnomalyScope{Vantage: "madrid", Region: "tokyo"}, 8, 1, schemas.AnomalyLoss, 10, 9},
		{"one kind is slower everywhere", after(5, func(c anomaly.Cell) bool { return c.Kind == "tls" }, 1.5, 0), schemas.AnomalyScope{Kind: "tls"}, 50, 5, schemas.AnomalyLatency, 10, 9},
		{"all is slower", after(5, func(anomaly.Cell) bool { return true }, 1.3, 0), schemas.AnomalyScope{}, 200, 5, schemas.AnomalyLatency, 10, 9},
	} {
		good := 0
		for seed := range uint64(c.runs) {
			_, began := found(seed, c.trouble)
			if len(began) == 1 && began[0].Scope == c.scope && began[0].Of == c.of && began[0].OfVantages == c.places && began[0].Cells[0].Measures[0] == c.measure {
				good++
				continue
			}
			for _, e := range began {
				t.Logf("%s, seed %d: %s", c.name, seed, said(e))
			}
		}
		t.Logf("%s: %d of %d", c.name, good, c.runs)
		if good < c.least {
			t.Errorf("%s: found as one thing in %d of %d runs, want %d", c.name, good, c.runs, c.least)
		}
	}
}

// TestWhatIsCommonIsNamedByNoMoreThanItTakes has two apps, and databases, which are measured of a region as a whole and have no variant.
func TestWhatIsCommonIsNamedByNoMoreThanItTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		within func(anomaly.Cell) bool
		scope  schemas.AnomalyScope
		of     int
	}{
		{"an app in a region", func(c anomaly.Cell) bool { return c.App == "cart" && c.Region == "tokyo" }, schemas.AnomalyScope{App: "cart", Region: "tokyo"}, 15},
		{"the databases of a region", func(c anomaly.Cell) bool { return c.Variant == "" && c.Region == "tokyo" }, schemas.AnomalyScope{Kind: "db_read", Region: "tokyo"}, 5},
		{"one database from one vantage", func(c anomaly.Cell) bool { return c.Variant == "" && c.Region == "tokyo" && c.Vantage == "madrid" },
			schemas.AnomalyScope{App: "shop", Kind: "db_read", Region: "tokyo", Vantage: "madrid"}, 1},
	} {
		w := newWorld(2, after(9, c.within, 1.6, 0))
		var cells []anomaly.Cell
		for _, k := range w.cells {
			switch {
			case k.Kind != "tls" && k.Variant == "single":
				k.App, k.Variant = "cart", "slim"
			case k.Kind == "tls" && k.Variant == "single":
				continue
			case k.Kind == "tls":
				k.Kind, k.Variant = "db_read", ""
			}
			cells = append(cells, k)
		}
		w.cells = cells
		var began []schemas.AnomalyDetected
		for range warm + 9 {
			began = append(began, w.pass()...)
		}
		if len(began) != 1 || began[0].Scope != c.scope || began[0].Of != c.of {
			t.Errorf("%s: want one of %d cells, %+v", c.name, c.of, c.scope)
			for _, e := range began {
				t.Log(said(e))
			}
		}
	}
}

func TestAnAnomalyIsToldOnceWhenItBeginsAndOnceWhenItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(3, after(90, func(c anomaly.Cell) bool { return c.Region == "tokyo" }, 1.4, 0))
	var told []schemas.AnomalyDetected
	for range warm + 240 {
		told = append(told, w.pass()...)
	}
	if len(told) != 2 {
		t.Fatalf("%d events, want 2: %+v", len(told), told)
	}
	began, ended := told[0], told[1]
	if began.State != schemas.AnomalyBegan || ended.State != schemas.AnomalyEnded || began.ID != ended.ID || ended.Reason == "" {
		t.Errorf("told: %s, %s", said(began), said(ended))
	}
	// The fault begins in minute 60 and ends with minute 149.
	if since := began.Since.Unix()/60 - start; since < warm-1 || since > warm+1 {
		t.Errorf("since minute %d, want %d", since, warm)
	}
	if at := ended.At.Unix()/60 - start; at < warm+90+2 || at > warm+90+6 {
		t.Errorf("ended in minute %d, want three to five after %d", at, warm+90)
	}
	for _, k := range began.Cells {
		if rise := k.After.P50MS / k.Before.P50MS; rise < 1.15 || rise > 1.7 {
			t.Errorf("%s from %s rose by a factor of %.2f, want about 1.4", k.Region, k.Vantage, rise)
		}
	}
	for _, e := range told {
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestADetectorThatStartsAgainKnowsWhatWasTold(t *testing.T) {
	t.Parallel()
	w := newWorld(4, after(40, func(c anomaly.Cell) bool { return c.Region == "tokyo" }, 1.4, 0))
	record := map[anomaly.Cell]map[int64]anomaly.Minute{}
	w.added = func(c anomaly.Cell, number int64, m anomaly.Minute) {
		if record[c] == nil {
			record[c] = map[int64]anomaly.Minute{}
		}
		record[c][number] = m
	}
	var told []schemas.AnomalyDetected
	for range warm + 15 {
		told = append(told, w.pass()...)
	}
	w.detector = anomaly.NewDetector(w.detector.Open())
	for c, minutes := range record {
		for number, m := range minutes {
			w.detector.Add(c, number, m)
		}
	}
	for range 60 {
		told = append(told, w.pass()...)
	}
	var states []string
	for _, e := range told {
		states = append(states, string(e.State))
	}
	if diff := cmp.Diff([]string{"began", "ended"}, states); diff != "" {
		t.Errorf("told: %s", diff)
	}
}

func TestAPathThatTurnsOutToBeARegionIsPartOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(8, func(c anomaly.Cell, minute int) (float64, float64) {
		if c.Region == "tokyo" && (minute >= warm && c.Vantage == "madrid" || minute >= warm+15) {
			return 1.5, 0
		}
		return 1, 0
	})
	var told []schemas.AnomalyDetected
	for range warm + 30 {
		told = append(told, w.pass()...)
	}
	if len(told) != 3 || told[0].Scope != (schemas.AnomalyScope{Region: "tokyo", Vantage: "madrid"}) || told[2].Scope != (schemas.AnomalyScope{Region: "tokyo"}) ||
		told[1].ID != told[0].ID || told[1].Reason != "part of "+told[2].ID || told[2].Moved < 35 {
		for _, e := range told {
			t.Error(said(e))
		}
	}
}

func TestACellThatIsNotMeasuredAnyMoreHasNoAnomaly(t *testing.T) {
	t.Parallel()
	w := newWorld(6, after(1000, func(c anomaly.Cell) bool { return c.Vantage == "madrid" }, 1.5, 0))
	var told []schemas.AnomalyDetected
	for range warm + 40 {
		w.blind = map[string]bool{"madrid": w.minute >= warm+10}
		told = append(told, w.pass()...)
	}
	if len(told) != 2 || told[1].State != schemas.AnomalyEnded || !strings.Contains(told[1].Reason, "measured any more") {
		for _, e := range told {
			t.Error(said(e))
		}
	}
}

func TestANewNormalIsAcceptedAfterADay(t *testing.T) {
	t.Parallel()
	w := newWorld(7, after(3000, func(c anomaly.Cell) bool { return c.Vantage == "frankfurt" }, 1.5, 0))
	w.cells = w.cells[:80] // those of dallas and frankfurt
	var told []schemas.AnomalyDetected
	for range warm + 24*60 + 60 {
		told = append(told, w.pass()...)
	}
	if len(told) != 2 || told[1].State != schemas.AnomalyEnded || !strings.Contains(told[1].Reason, "normal now") {
		for _, e := range told {
			t.Error(said(e))
		}
	}
}
