package celgate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/celgate"
	"github.com/leeward-failover/leeward/schemas"
)

// variables are london/slim's when traffic is in frankfurt.
func variables() celgate.Variables {
	return celgate.Variables{
		Candidate: schemas.RankedCandidate{Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Rank: 2, Running: true, Enough: true,
			CostMS: 30.5, LowMS: 29, HighMS: 32.25, Samples: 480, Failures: 3},
		Region: schemas.Region{Name: "london", Jurisdiction: "GB", Location: schemas.Location{Latitude: 51.51, Longitude: -0.13}, Labels: map[string]string{"provider": "acme", "tier": "1"}},
		Active: schemas.Region{Name: "frankfurt", Jurisdiction: "DE", Labels: map[string]string{"provider": "acme"}},
	}
}

func judge(v celgate.Variables, expr, why string) schemas.Gate {
	return celgate.Compile([]schemas.CustomGate{{Name: "own", Expr: expr, Why: why}}).Judge(v)[0]
}

func TestExpressionsAreDecidedWithWhatTheyLookedAt(t *testing.T) {
	few := variables()
	few.Candidate.Enough = false
	long := variables()
	long.Region.Jurisdiction = strings.Repeat("x", 1_000_000)
	for _, c := range []struct {
		what, expr, why string
		variables       celgate.Variables
		want            schemas.Gate
	}{
		{"cheap", "candidate.cost_ms < 200.0 && region.jurisdiction in ['DE', 'GB']", "", variables(), schemas.Gate{Result: schemas.Pass,
			Evidence: `candidate.cost_ms < 200.0 && region.jurisdiction in ['DE', 'GB'] holds: candidate.cost_ms is 30.5, region.jurisdiction is "GB"`}},
		{"dear, by a whole number", "candidate.cost_ms < 30", "the checkout gives up", variables(), schemas.Gate{Result: schemas.Fail,
			Evidence: "candidate.cost_ms < 30 does not hold: candidate.cost_ms is 30.5; the checkout gives up"}},
		{"another provider", "region.labels['provider'] != active.labels['provider']", "one provider is one failure", variables(), schemas.Gate{Result: schemas.Fail,
			Evidence: "region.labels['provider'] != active.labels['provider'] does not hold: active.labels is {provider: acme}, region.labels is {provider: acme, tier: 1}; one provider is one failure"}},
		{"no such label", "region.labels['cloud'] == 'a'", "why", variables(), schemas.Gate{Result: schemas.Unknown,
			Evidence: "region.labels['cloud'] == 'a' can not be decided: region.labels is {provider: acme, tier: 1}: no such key: cloud"}},
		{"a label that may be missing", "!('cloud' in region.labels)", "", variables(), schemas.Gate{Result: schemas.Pass,
			Evidence: "!('cloud' in region.labels) holds: region.labels is {provider: acme, tier: 1}"}},
		{"failures", "candidate.failures * 100 <= candidate.samples", "", variables(), schemas.Gate{Result: schemas.Pass,
			Evidence: "candidate.failures * 100 <= candidate.samples holds: candidate.failures is 3, candidate.samples is 480"}},
		{"cost of too few samples", "candidate.high_ms < 100.0", "", few, schemas.Gate{Result: schemas.Unknown,
			Evidence: "candidate.high_ms < 100.0 can not be decided: the cost is not known well enough"}},
		{"no cost looked at", "candidate.variant == 'slim'", "", few, schemas.Gate{Result: schemas.Pass, Evidence: `candidate.variant == 'slim' holds: candidate.variant is "slim"`}},
		{"nothing looked at", "false", "closed", variables(), schemas.Gate{Result: schemas.Fail, Evidence: "false does not hold; closed"}},
		{"broken", "candidate.prize < 2", "", variables(), schemas.Gate{Result: schemas.Unknown,
			Evidence: "candidate.prize < 2 can not be decided: undeclared reference to 'candidate.prize' (did you mean 'candidate.rank'?)"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.want.Name = "custom:own"
			if c.want.Result != schemas.Unknown {
				_, given, _ := strings.Cut(strings.TrimSuffix(c.want.Evidence, "; "+c.why), ": ")
				c.want.Value, c.want.Threshold = given, c.expr
			}
			if diff := cmp.Diff(c.want, judge(c.variables, c.expr, c.why)); diff != "" {
				t.Error(diff)
			}
		})
	}
	costly := judge(long, "region.jurisdiction.contains('yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy')", "")
	if costly.Result != schemas.Unknown || !strings.HasSuffix(costly.Evidence, "operation cancelled: actual cost limit exceeded") {
		t.Errorf("an expression over a text that is longer than the estimate allows is %s: …%s", costly.Result, costly.Evidence[max(0, len(costly.Evidence)-80):])
	}
}

func TestWhatIsWrongWithAnExpressionIsFoundWithoutACandidate(t *testing.T) {
	for expr, want := range map[string]celgate.Problem{
		"candidate.cost_ms <":                         {Line: 1, Column: 20, Message: "Syntax error: mismatched input '<EOF>'"},
		"true && candidate.cost < 3":                  {Line: 1, Column: 18, Message: "undeclared reference to 'candidate.cost' (did you mean 'candidate.cost_ms'?)"},
		"candidate.region < 3":                        {Line: 1, Column: 18, Message: "found no matching overload for '_<_' applied to '(string, int)'"},
		"candidate.cost_ms":                           {Line: 1, Column: 1, Message: "the expression is of type double, not bool"},
		"region.labels":                               {Line: 1, Column: 1, Message: "the expression is of type map(string, string), not bool"},
		"true &&\nregion.name.matches('(')":           {Line: 2, Column: 21, Message: "invalid matches argument"},
		"true || " + strings.Repeat("false || ", 200): {Line: 1, Column: 1, Message: "the expression has 1808 bytes, more than 1000"},
		"[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, a+b+c+d > 0))))": {
			Line: 1, Column: 1, Message: "the expression could cost more than 10000"},
	} {
		got := celgate.Check(expr)
		if len(got) == 0 || got[0].Line != want.Line || got[0].Column != want.Column || !strings.HasPrefix(got[0].Message, want.Message) {
			t.Errorf("%.60s: got %+v, want %+v", expr, got, want)
		}
	}
	for expr, want := range map[string]string{
		"false": "it is false for every candidate: compare a variable with something, or leave the gate out", "1 == 2": "it is false for every candidate", "true": "it is true for every candidate",
		"1 / 0 == 1":                         "it can not be decided for any candidate: division by zero",
		"candidate.cost_ms < 200.0 || true":  "it is true for every candidate",
		"!(candidate.running || 1 < 2)":      "it is false for every candidate",
		"[1, 2, 3].all(n, n > 0)":            "it is true for every candidate",
		"'DE' in ['DE', 'GB'] && 2 > 1":      "it is true for every candidate",
		"false ? candidate.running : 3 != 3": "it is false for every candidate",
	} {
		if got := celgate.Check(expr); len(got) != 1 || got[0].Line != 1 || got[0].Column != 1 || !strings.HasPrefix(got[0].Message, want) {
			t.Errorf("%s: got %+v, want %s", expr, got, want)
		}
	}
	for _, expr := range []string{
		"region.labels.exists(k, k == 'x' || true)", "[1, 2].exists(n, n == candidate.rank)", "candidate.running ? true : false", "candidate.running || 1 / 0 == 1", "has(region.labels.tier)",
		"size(region.labels) > 0", "region.labels['tier'] in ['1', '2']", "true && candidate.running",
		"candidate.cost_ms < 200", "region.name.startsWith('eu-') || region.labels['tier'] == '1'", "region.jurisdiction.matches('^(DE|GB)$')",
		"region.labels.all(k, region.labels[k] != 'blocked')", "active.name != region.name && candidate.rank <= 3 && candidate.running",
	} {
		if got := celgate.Check(expr); len(got) > 0 {
			t.Errorf("%s: %+v", expr, got)
		}
	}
}

// TestLabelsAreLookedAtInOneOrder asks what depends on the order that labels come in, again and again: a ranking that is computed again must be the same.
func TestLabelsAreLookedAtInOneOrder(t *testing.T) {
	v := variables()
	v.Region.Labels = map[string]string{"e": "1", "c": "2", "a": "3", "d": "4", "b": "5"}
	for expr, want := range map[string]string{
		"region.labels.all(k, active.labels[k] == '')":        "no such key: a",
		"region.labels.map(k, k)[0] == 'a'":                   " holds",
		"region.labels.filter(k, k > 'b') == ['c', 'd', 'e']": " holds",
		"region.labels == {'a': '3', 'b': '5', 'c': '2', 'd': '4', 'e': '1'} && size(region.labels) == 5 && !has(region.labels.f)": " holds",
	} {
		for range 50 {
			if g := judge(v, expr, ""); !strings.Contains(g.Evidence, want) {
				t.Fatalf("%s: %s (%s), want %q", expr, g.Result, g.Evidence, want)
			}
		}
	}
}

// BenchmarkJudge is the cost of a gate for one candidate.
func BenchmarkJudge(b *testing.B) {
	set, v := celgate.Compile([]schemas.CustomGate{{Name: "own", Expr: "candidate.cost_ms < 200.0 && region.jurisdiction in ['DE', 'GB']"}}), variables()
	for b.Loop() {
		set.Judge(v)
	}
}
