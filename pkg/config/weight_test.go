package config_test

import (
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/config"
)

func TestWeightsAreOfTheVantagesAndTargetsThatThereAre(t *testing.T) {
	const objective, entry, outside = "writes_per_request: 0.1}", "      - name: entry\n", "  - {name: madrid,"
	weigh := func(how string) string { return strings.Replace(objective, "}", ", weights: "+how+"}", 1) }
	for name, c := range map[string]struct {
		change []string
		want   string
	}{
		"equal":                  {[]string{objective, weigh("equal")}, ""},
		"given":                  {[]string{objective, weigh("given"), outside, outside + " weight: 2,"}, ""},
		"given, but none is":     {[]string{objective, weigh("given")}, "apps[0].objective.weights: no vantage has a weight (give vantages a weight, or write equal)"},
		"observed":               {[]string{objective, weigh("observed"), entry, entry + "        region: london\n"}, ""},
		"observed nowhere":       {[]string{objective, weigh("observed")}, "apps[0].objective.weights: no target has a region, so that no traffic would be observed (give a target the region whose clients come through it"},
		"observed by nobody":     {[]string{objective, weigh("observed"), entry, entry + "        region: tokyo\n", "{name: tokyo, region: tokyo,", "{name: tokyo,"}, "apps[0].targets[0].region: no vantage is in tokyo, so that nothing stands for its clients"},
		"no such region":         {[]string{entry, entry + "        region: paris\n"}, `apps[0].targets[0].region: "paris" is not a region (the regions are frankfurt`},
		"a target may be placed": {[]string{entry, entry + "        region: tokyo\n"}, ""},
		"guessed":                {[]string{objective, weigh("guessed")}, `apps[0].objective.weights: "guessed" is not known (one of given, equal, observed)`},
	} {
		text := example(t)
		for i := 0; i < len(c.change); i += 2 {
			if !strings.Contains(text, c.change[i]) {
				t.Fatalf("the example no longer contains %q", c.change[i])
			}
			text = strings.Replace(text, c.change[i], c.change[i+1], 1)
		}
		_, err := config.Parse("leeward.yaml", []byte(text))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "leeward.yaml:1:1")):
			t.Errorf("%s: got\n%v\nwant %s", name, err, c.want)
		}
	}
}
