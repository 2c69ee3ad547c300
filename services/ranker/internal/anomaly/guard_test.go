package anomaly_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

// minutes are n values.
func minutes(n int, value func(i int) float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = value(i)
	}
	return all
}

func level(v float64) func(int) float64 { return func(int) float64 { return v } }

// wobble is a level with a little noise that comes again and again.
func wobble(v float64) func(int) float64 {
	return func(i int) float64 { return v + 0.01*float64(i*7%5-2) }
}

// TestEachTestOfARiseCanRefuse has latencies, as logarithms of milliseconds, that one test or bound alone keeps from being a rise.
func TestEachTestOfARiseCanRefuse(t *testing.T) {
	const never, likely, rare = 1, 0.01, 0
	quiet := minutes(115, wobble(5))
	for _, c := range []struct {
		name        string
		before, now []float64
		// p is at least this; 0 is for a rise, whose p-value is below one in a million.
		p float64
	}{
		{"a rise", quiet, minutes(5, level(5.5)), rare},
		{"a rise over a short baseline", quiet[:30], minutes(5, level(5.5)), 1e-6},
		{"too few minutes before", quiet[:29], minutes(5, level(5.5)), never},
		{"three minutes", quiet, minutes(3, level(5.5)), 1e-7},
		{"too few minutes now", quiet, minutes(2, level(5.5)), never},
		{"a baseline steadier than a sketch can tell", minutes(30, func(i int) float64 { return 5 + 1e-4*float64(i*7%5) }), minutes(5, level(5.11)), 1e-5},
		{"a lone minute as before", quiet, []float64{5.5, 5, 5.5, 5.5, 5.5}, rare},
		{"two minutes as before", quiet, []float64{5, 5, 5.5, 5.5, 5.5}, never},
		{"too little to matter as a share", quiet, minutes(5, level(5.06)), never},
		{"too little to matter in milliseconds", minutes(115, wobble(0)), minutes(5, level(0.5)), never},
		// Five minutes in eleven were higher, with three of them together once: windows of five differ as much, which only the robust z sees.
		{"a restless baseline", minutes(115, func(i int) float64 { return 5 + 0.3*float64((14-i*i%11)/11) }), minutes(5, level(5.4)), likely},
		// One minute in four was far higher: medians of five do not see these, the sign test does.
		{"a level that is common in the baseline", minutes(115, func(i int) float64 { return 5 + float64((i%4)/3) }), minutes(5, level(5.5)), likely},
		// Ranks that hang together say less than their number: the change-point test does not agree.
		{"a slow wave", minutes(115, func(i int) float64 { return 5 + 0.03*math.Sin(float64(i)/8) }), []float64{5.3, 5.3, 4.99, 5.3, 5.3}, never},
	} {
		got := anomaly.Rise(c.before, c.now)
		if c.p == rare && got > 1e-6 || c.p != rare && got < c.p {
			t.Errorf("%s: p = %g, want %g", c.name, got, c.p)
		}
	}
	for _, n := range []struct{ before, now int }{{29, 5}, {115, 2}} {
		if _, tested := anomaly.Since(quiet[:n.before], minutes(n.now, level(5.5))); tested {
			t.Errorf("%d minutes are compared with %d: each hypothesis makes the others dearer", n.now, n.before)
		}
	}
	for _, cut := range []int{29, 118} {
		if p := anomaly.Higher(minutes(120, func(i int) float64 { return float64(i) }), cut); p != never {
			t.Errorf("ranks from minute %d on: p = %g, want 1: there are too few", cut, p)
		}
	}
	outlier := minutes(115, wobble(5))
	outlier[95] = 20
	if since, _ := anomaly.Since(outlier, minutes(5, level(5.5))); since != 4 {
		t.Errorf("a rise of five minutes is dated %d minutes back, where an outlier was", since)
	}
	// A baseline without any spread at all is no certainty: a p-value of nothing could not be compared.
	if got := anomaly.Rise(minutes(115, level(5)), minutes(5, level(5.5))); !(got > 0 && got < 1e-6) {
		t.Errorf("a level baseline: p = %g", got)
	}
}

// TestEachBoundOfALossCanRefuse is the same of failures in minutes of twelve samples, or of as many as are given.
func TestEachBoundOfALossCanRefuse(t *testing.T) {
	const never, likely, rare = 1, 0.01, 0
	few := minutes(115, func(i int) float64 { return float64((i % 20) / 19) })
	for _, c := range []struct {
		name        string
		before, now []float64
		samples     float64
		p           float64
	}{
		{"half is lost", few, minutes(5, level(6)), 12, rare},
		{"half is lost, over a short baseline", few[:30], minutes(3, level(6)), 12, rare},
		{"too few minutes before", few[:29], minutes(5, level(6)), 12, never},
		{"too few minutes now", few, minutes(2, level(6)), 12, never},
		{"one burst", few, []float64{0, 12, 0, 0, 0}, 12, never},
		{"two bursts", few, []float64{0, 12, 0, 12, 0}, 12, never},
		{"too little to matter", minutes(115, level(10)), minutes(5, level(190)), 10_000, never},
		// Half of the minutes of the baseline lost half: five of twelve in three minutes is nothing new.
		{"a restless baseline", minutes(115, func(i int) float64 { return 6 * float64(i%2) }), minutes(5, level(6)), 12, likely},
	} {
		got := anomaly.Lossier(c.before, c.now, c.samples)
		if c.p == rare && got > 1e-5 || c.p != rare && got < c.p {
			t.Errorf("%s: p = %g, want %g", c.name, got, c.p)
		}
	}
}

// TestAMinuteOlderThanTheRingTakesNoPlace has every minute followed by the one of two hours before, which has the same place.
func TestAMinuteOlderThanTheRingTakesNoPlace(t *testing.T) {
	w := newWorld(9, after(9, func(c anomaly.Cell) bool { return c.Region == "tokyo" }, 1.5, 0))
	w.added = func(c anomaly.Cell, number int64, m anomaly.Minute) { w.detector.Add(c, number-anomaly.Span, m) }
	told := 0
	for range warm + 9 {
		told += len(w.pass())
	}
	if told != 1 {
		t.Errorf("%d events, want that a region became slower", told)
	}
}

// TestMinutesWithinAnAnomalyAreNoBaseline has a region slow for 65 minutes, well for 40, and slow again: against the slow minutes that would be nothing.
func TestMinutesWithinAnAnomalyAreNoBaseline(t *testing.T) {
	w := newWorld(10, func(c anomaly.Cell, minute int) (float64, float64) {
		if c.Region == "tokyo" && (minute >= warm && minute < warm+65 || minute >= warm+105) {
			return 1.5, 0
		}
		return 1, 0
	})
	var states []string
	for range warm + 114 {
		for _, e := range w.pass() {
			states = append(states, string(e.State))
		}
	}
	if diff := cmp.Diff([]string{"began", "ended", "began"}, states); diff != "" {
		t.Error(diff)
	}
}
