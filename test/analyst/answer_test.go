package analyst_test

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// answers are those to the twelve questions, worked out of the samples and of the history.
func (w world) answers(now time.Time) [][][]any {
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	return [][][]any{
		w.latency(), w.byVariant(), w.phases(), w.budget(), w.outages(),
		{
			{1, "london", "nginx", true, 21.6, []any{}}, {1, "london", "slim", true, 21.5, []any{}},
			{3, "dallas", "slim", false, 92.5, []any{"rpo: not measured for 40s"}}, {4, "dallas", "nginx", false, 0.0, []any{"running: no endpoint"}},
		},
		{{ago(2000), "london/slim", "dallas/slim", 91.0, "london/slim is no longer eligible"}, {ago(1000), "dallas/slim", "london/slim", 21.0, ""}},
		{{ago(7000), "p1", "planned", "dallas/slim max_rtt: 160ms > 150ms"}, {ago(6000), "p2", "refused", "london/slim fresh: 40s old"}},
		{{"alert", 1, 1, 1.75, 1.5}, {"verdicts", 1, 0, 1.75, 1.5}},
		{{"api", ago(86400), true, 2.5, nil}, {"shop", ago(432000), false, 9.5, 5.0}},
		{{"shop", "slim", "deps", 3, 30.0, 30.0, 66.7}, {"shop", "slim", "app", 3, 18.0, 7.0, 0.0}},
		w.quality(),
	}
}

// group puts what is alike together, in the order of its keys.
func group[K cmp.Ordered](samples []sample, key func(sample) K, keep func(sample) bool) (keys []K, groups map[K][]sample) {
	groups = map[K][]sample{}
	for _, s := range samples {
		if keep(s) {
			groups[key(s)] = append(groups[key(s)], s)
		}
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

func stored(w world) []sample { return append(w.there(), w.duplicated()...) }

func http(s sample) bool { return s.kind == "http" }

func failures(samples []sample) (n int) {
	for _, s := range samples {
		if s.outcome != "ok" {
			n++
		}
	}
	return n
}

// quantile gives a value's quantile of the samples that ended ok, in milliseconds, nil when none did.
func quantile(samples []sample, q float64, value func(sample) uint32) any {
	var all []uint32
	for _, s := range samples {
		if s.outcome == "ok" {
			all = append(all, value(s))
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return float64(all[int(q*float64(len(all)-1))]) / 1000
}

func latency(s sample) uint32 { return s.latency }

const clock = "2006-01-02 15:04:05"

func (w world) latency() (rows [][]any) {
	keys, groups := group(stored(w), func(s sample) string { return s.due.Truncate(time.Hour).Format(clock) + s.region }, http)
	for _, k := range keys {
		g := groups[k]
		rows = append(rows, []any{k[:len(clock)], g[0].region, quantile(g, 0.5, latency), quantile(g, 0.95, latency), quantile(g, 0.99, latency), len(g), failures(g)})
	}
	return rows
}

func (w world) byVariant() (rows [][]any) {
	madrid := func(s sample) bool { return http(s) && s.vantage == "madrid" }
	keys, groups := group(stored(w), func(s sample) string { return s.region + "/" + s.variant }, madrid)
	for _, k := range keys {
		sum, hours := 0.0, 0.0
		_, byHour := group(groups[k], func(s sample) string { return s.due.Truncate(time.Hour).Format(clock) }, http)
		for _, g := range byHour {
			if p95 := quantile(g, 0.95, latency); p95 != nil {
				sum, hours = sum+p95.(float64), hours+1
			}
		}
		g := groups[k]
		rows = append(rows, []any{g[0].region, g[0].variant, sum / hours, len(g), failures(g)})
	}
	slices.SortFunc(rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[2].(float64), b[2].(float64)))
	})
	return rows
}

func (w world) phases() (rows [][]any) {
	keys, groups := group(stored(w), func(s sample) string { return s.region }, http)
	for _, k := range keys {
		row := []any{k}
		for _, phase := range []func(sample) uint32{
			func(s sample) uint32 { return s.dns }, func(s sample) uint32 { return s.connect }, func(s sample) uint32 { return s.tls },
			func(s sample) uint32 { return s.firstByte }, func(s sample) uint32 { return s.transfer },
		} {
			row = append(row, quantile(groups[k], 0.5, phase))
		}
		rows = append(rows, row)
	}
	return rows
}

func minute(s sample) int64 { return s.due.Unix() / 60 }

// down says whether more than half of the vantages saw no variant answer at least every second request. Every variant has HTTP, so nothing else decides.
func down(minute []sample) bool {
	_, byVantage := group(minute, func(s sample) string { return s.vantage }, http)
	blame := 0
	for _, seen := range byVantage {
		_, byVariant := group(seen, func(s sample) string { return s.variant }, http)
		well := false
		for _, g := range byVariant {
			well = well || failures(g)*2 < len(g)
		}
		if !well {
			blame++
		}
	}
	return blame*2 > len(byVantage)
}

func (w world) budget() (rows [][]any) {
	keys, groups := group(stored(w), func(s sample) string { return s.due.Format("2006-01") + "-01" + s.region }, http)
	for _, k := range keys {
		g, bad := groups[k], 0
		_, minutes := group(g, minute, http)
		for _, m := range minutes {
			if down(m) {
				bad++
			}
		}
		n := float64(len(minutes))
		rows = append(rows, []any{k[:10], g[0].region, 100 * (1 - float64(bad)/n), 100 * (1 - float64(failures(g))/float64(len(g))), bad, n*0.001 - float64(bad), n*0.005 - float64(bad)})
	}
	return rows
}

func (w world) outages() [][]any {
	all := []any{"frankfurt", "madrid", "tokyo"}
	at := func(minutes int) time.Time { return w.start.Add(time.Duration(minutes) * time.Minute) }
	return [][]any{
		{"london", at(69), 12, 3, all},
		{"dallas", at(150), 5, 1, []any{"tokyo"}}, {"frankfurt", at(150), 5, 1, []any{"tokyo"}}, {"london", at(150), 5, 1, []any{"tokyo"}},
		{"dallas", at(180), 20, 3, all},
	}
}

func (w world) quality() (rows [][]any) {
	per := len(regions) * len(variants) * len(kinds)
	midnight := w.start.Add(2 * time.Hour)
	before, after := w.start.Format(time.DateOnly), midnight.Format(time.DateOnly)
	rounds := int(2 * time.Hour / round)
	return [][]any{
		// Frankfurt's and Tokyo's probers were started before what there is of them; it is not held against them.
		{before, "frankfurt", rounds * per, 0, 0, 0, 0, 0, 0, 0},
		// Lost before midnight: two after the start, 18 in three silent minutes; the batch just before midnight is missed by the next one that is there.
		{before, "madrid", (rounds - 2 - 18 - 1) * per, 20, 3, 0, 0, 0, 0, 1},
		{before, "tokyo", rounds * per, 0, 0, 0, 0, 0, 0, 0},
		{after, "frankfurt", rounds * per, 0, 0, 0, 0, 0, 0, 0},
		{after, "madrid", (rounds-2)*per - 5, 3, 0, 0, per, per, 5, 0},
		{after, "tokyo", rounds*per + 3, 0, 0, 3, 0, 0, 0, 0},
	}
}
