package config_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/pkg/config"
)

// gated is the example with a capacity on every endpoint and more gates.
func gated(t *testing.T, gates string) string {
	t.Helper()
	text := regexp.MustCompile(`(?m)^(      - \{region: \w+, variant: \w+, )(icmp|tcp|http)`).ReplaceAllString(example(t), "${1}capacity: 500, $2")
	if !strings.Contains(text, "capacity: 500") || !strings.Contains(text, "      rpo: 2s\n") {
		t.Fatal("the example no longer has the endpoints and gates that this test changes")
	}
	return strings.Replace(text, "      rpo: 2s\n", "      rpo: 2s\n"+gates, 1)
}

func TestGatesOfOnesOwnAreCheckedWithTheirPlace(t *testing.T) {
	custom := func(expr string) string {
		return "      headroom: 1.2\n      custom:\n        - name: own\n          why: because\n          expr: " + expr + "\n"
	}
	if _, err := config.Parse("leeward.yaml", []byte(gated(t, custom(`candidate.cost_ms < 200.0 && region.jurisdiction in ['DE', 'GB']`)))); err != nil {
		t.Fatal(err)
	}
	line := strings.Count(strings.SplitN(gated(t, custom("x")), "          expr:", 2)[0], "\n") + 1
	for expr, want := range map[string]string{
		"candidate.cost_ms <":              "apps[0].gates.custom[0].expr: at column 20 of the expression: Syntax error",
		"candidate.cots_ms < 2":            "at column 10 of the expression: undeclared reference to 'candidate.cots_ms' (did you mean 'candidate.cost_ms'?) (the variables are active.jurisdiction, active.labels, ",
		"candidate.cost_ms":                "at column 1 of the expression: the expression is of type double, not bool",
		"'candidate.region < 3'":           "found no matching overload for '_<_'",
		"1 == 2":                           "at column 1 of the expression: it is false for every candidate: compare a variable with something, or leave the gate out (the variables are active.jurisdiction",
		"region.name.matches('[z-a]')":     "invalid matches argument",
		"\"true &&\\n region.nome != ''\"": "at line 2, column 8 of the expression: undeclared reference",
	} {
		_, err := config.Parse("leeward.yaml", []byte(gated(t, custom(expr))))
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), want) || problems[0].Line != line || problems[0].Column != 17 {
			t.Errorf("%s: got\n%v\nwant line %d: %s", expr, err, line, want)
		}
	}
}

func TestHeadroomNeedsACapacityAndALoad(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing declared": {strings.Replace(gated(t, "      headroom: 1.2\n"), "capacity: 500, ", "", 1), "apps[0].endpoints[0].capacity: is missing (in requests per second"},
		"negative":         {strings.Replace(gated(t, ""), "capacity: 500, ", "capacity: -1, ", 1), "apps[0].endpoints[0].capacity: is negative"},
		"less than all":    {gated(t, "      headroom: 0.5\n"), "apps[0].gates.headroom: 0.5 is less than 1"},
		"no target":        {regexp.MustCompile(`(?s)    targets:.*?    alerts:`).ReplaceAllString(gated(t, "      headroom: 1.2\n"), "    alerts:"), "apps[0].gates.headroom: there is no target whose load could be measured"},
		"same name twice":  {gated(t, "      custom: [{name: own, expr: candidate.running}, {name: own, expr: candidate.running}]\n"), `apps[0].gates.custom[1].name: the name "own" stands twice`},
		"bad name":         {gated(t, "      custom: [{name: Own Gate, expr: candidate.running}]\n"), `apps[0].gates.custom[0].name: "Own Gate" is not a name`},
		"no expression":    {gated(t, "      custom: [{name: own}]\n"), "apps[0].gates.custom[0]: has no expr (as expr: candidate.cost_ms < 200)"},
		"long label":       {strings.Replace(example(t), "    jurisdiction: DE\n", "    jurisdiction: DE\n    labels: {provider: "+strings.Repeat("x", 254)+"}\n", 1), "regions[0].labels.provider: has 254 bytes, more than 253"},
		"many labels":      {strings.Replace(example(t), "    jurisdiction: DE\n", "    jurisdiction: DE\n    labels: {"+manyLabels(33)+"}\n", 1), "regions[0].labels: are 33, more than 32"},
	} {
		_, err := config.Parse("leeward.yaml", []byte(c.text))
		var problems config.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), c.want) || problems[0].Line < 2 {
			t.Errorf("%s: got\n%v\nwant %s", name, err, c.want)
		}
	}
}

func manyLabels(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("l%d: x", i))
	}
	return strings.Join(all, ", ")
}

// TestGatesOfTheReferenceAreAccepted applies what docs/reference/gates.md tells to write.
func TestGatesOfTheReferenceAreAccepted(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/gates.md")
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if written == nil {
		t.Fatal("the page shows nothing to write")
	}
	topology, err := config.Parse("leeward.yaml", []byte(gated(t, string(written[1]))))
	if err != nil {
		t.Fatal(err)
	}
	if custom := topology.Apps[0].Gates.Custom; len(custom) != 2 {
		t.Errorf("read %+v", custom)
	}
	for _, name := range celgate.Names() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}
