package importer

import "strings"

var wrk2Shapes = []shape{
	{"wrk2", "what wrk or wrk2 prints", func(h head) bool {
		return strings.HasPrefix(h.first, "Running ") && strings.Contains(h.first, " test @ ") || strings.Contains(h.first, "1/(1-Percentile)")
	}, refuse("wrk2 prints percentiles, no requests, in every one of its outputs, and none are made up of them: to import load at a constant rate, use `vegeta attack -rate` with `vegeta encode --to json`, " +
		"k6's constant-arrival-rate with `--out json=FILE`, or `oha -q --latency-correction --output-format csv`")},
}
