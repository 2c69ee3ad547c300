package config_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/config"
)

// TestAWindowThatCanNotHoldEnoughSamplesIsRefused follows each way out that an error names, too: it must do.
func TestAWindowThatCanNotHoldEnoughSamplesIsRefused(t *testing.T) {
	const probe, objective = "probe: {interval: 1s,", "objective: {kind: http, quantile: 0.95, window: 2m,"
	parse := func(probing, aim string) error {
		text := example(t)
		for old, repl := range map[string]string{probe: probing, objective: aim} {
			if !strings.Contains(text, old) {
				t.Fatalf("the example no longer contains %q", old)
			}
			text = strings.Replace(text, old, repl, 1)
		}
		// The lag needs two intervals.
		text = strings.Replace(text, "rpo: 2s", "rpo: 20h", 1)
		_, err := config.Parse("leeward.yaml", []byte(text))
		return err
	}
	for _, c := range []struct{ what, probing, aim, want string }{
		{"as in the example", probe, objective, ""},
		{"just enough", probe, "objective: {kind: http, quantile: 0.95, window: 100s,", ""},
		{"a beat begun", probe, "objective: {kind: http, quantile: 0.95, window: 99100ms,", ""},
		{"one too few", probe, "objective: {kind: http, quantile: 0.95, window: 99s,",
			`leeward.yaml:71:53: apps[0].objective.window: a window of 1m39s holds 99 samples of one candidate from one vantage, one each 1s, and the quantile 0.95 needs 100: ` +
				"no cost would ever be known (window: 1m40s, or quantile: 0.949, or probe.interval: 990ms would do)"},
		{"the default window", probe, "objective: {kind: http, quantile: 0.999,", `leeward.yaml:71:39: apps[0].objective.quantile: a window of 10m0s holds 600 samples`},
		{"the default objective", "probe: {interval: 10s,", "objective: {kind: http,", `leeward.yaml:70:23: apps[0].probe.interval: a window of 10m0s holds 60 samples`},
		{"fast as can be", "probe: {interval: 100ms,", "objective: {kind: http, quantile: 0.99, window: 10s,", "(window: 50s, or quantile: 0.95 would do)"},
		{"slow", "probe: {interval: 1h,", "objective: {kind: http, quantile: 0.9, window: 5h,", "(probe.interval: 6m0s would do)"},
		{"hopeless", "probe: {interval: 1h,", "objective: {kind: http, quantile: 0.99999999, window: 1h,", "(a shorter probe.interval with a lower quantile would do)"},
		{"almost all", probe, "objective: {kind: http, quantile: 0.9999999999999999,", "(quantile: 0.991 would do)"},
	} {
		err := parse(c.probing, c.aim)
		var problems config.Problems
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got\n%v, want\n%s", c.what, err, c.want)
			continue
		}
		for _, way := range regexp.MustCompile(`(window|quantile|probe\.interval): ([0-9.hms]+)(?:,| would do)`).FindAllStringSubmatch(problems[0].Hint, -1) {
			probing, aim := c.probing, c.aim
			if way[1] == "probe.interval" {
				probing = regexp.MustCompile(`interval: [0-9hms]+`).ReplaceAllString(probing, "interval: "+way[2])
			} else {
				aim = regexp.MustCompile(", "+way[1]+`: [^,]*`).ReplaceAllString(aim, "") + " " + way[1] + ": " + way[2] + ","
			}
			if err := parse(probing, aim); err != nil {
				t.Errorf("%s: %s does not do: %v", c.what, way[0], err)
			}
		}
	}
}
