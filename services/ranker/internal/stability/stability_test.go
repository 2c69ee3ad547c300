package stability_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/stability"
)

func measured(region string, cost, half float64) schemas.RankedCandidate {
	return schemas.RankedCandidate{
		Candidate: schemas.Candidate{Region: region, Variant: "slim"}, CostMS: cost, LowMS: cost - half, HighMS: cost + half, Eligible: true, Enough: true,
	}
}

// play gives every window to the policy and returns the choices' regions and the last decision.
func play(windows ...[]schemas.RankedCandidate) (choices []string, last stability.Decision) {
	var s stability.State
	for _, w := range windows {
		s, last = stability.Default.Decide(s, w)
		choices = append(choices, last.Choice.Region)
	}
	return choices, last
}

// windows makes one for each pair of costs of madrid and paris.
func windows(half float64, costs ...[2]float64) (all [][]schemas.RankedCandidate) {
	for _, c := range costs {
		all = append(all, []schemas.RankedCandidate{measured("madrid", c[0], half), measured("paris", c[1], half)})
	}
	return all
}

func TestChoiceChangesByMarginAndConfidence(t *testing.T) {
	settled := [2]float64{10, 10}
	for _, c := range []struct {
		name  string
		half  float64
		costs [][2]float64
		want  string
	}{
		{"a lead of the margin is believed the second time", 0, [][2]float64{settled, settled, {10, 9.3}, {10, 9.2}}, "mmmp"},
		{"a lead of one and a half margins is believed at once", 0, [][2]float64{settled, settled, {10, 8.95}}, "mmp"},
		{"half the margin takes four times as long", 0, [][2]float64{settled, settled, {10, 9.65}, {10, 9.65}, {10, 9.65}, {10, 9.65}, {10, 9.65}, {10, 9.65}, {10, 9.65}, {10, 9.6}}, "mmmmmmmmmp"},
		{"a window the other way takes evidence back", 0, [][2]float64{settled, settled, {10, 9.2}, {10, 10.8}, {10, 9.2}, {10, 9.2}}, "mmmmmp"},
		{"a lead within the intervals says nothing", 2, [][2]float64{settled, settled, {10, 8}, {10, 8}, {10, 8}, {10, 8}, {10, 8}, {10, 8}}, "mmmmmmmm"},
		{"a return costs more", 0, [][2]float64{settled, settled, {10, 8}, {8.9, 10}, {8.9, 10}, {8.9, 10}}, "mmpppm"},
		{"and no more after a while", 0, [][2]float64{settled, settled, {10, 8}, {10, 10}, {10, 10}, {10, 10}, {10, 10}, {8.9, 10}}, "mmpppppm"},
		{"while warming the raw order is published", 0, [][2]float64{{10, 11}, {11, 10}}, "mp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			choices, _ := play(windows(c.half, c.costs...)...)
			got := ""
			for _, region := range choices {
				got += region[:1]
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Two candidates whose costs say that paris leads by 3 ms, and what else is said of it.
func TestLeadThatIsGivenCountsBeforeTheCosts(t *testing.T) {
	for _, c := range []struct {
		name string
		half float64
		lead *stability.Lead
		want string
	}{
		{"only the costs are known", 1, nil, "mmmppp"},
		{"it is known to have none", 1, &stability.Lead{}, "mmmmmm"},
		{"the intervals can explain it", 4, &stability.Lead{MS: 3}, "mmmmmm"},
		{"the choice has just got slower", 4, &stability.Lead{MS: 3, Step: true}, "mmpppp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s stability.State
			got := ""
			for i := range 6 {
				all := []stability.Contender{{RankedCandidate: measured("madrid", 10, c.half)}, {RankedCandidate: measured("paris", 10, c.half)}}
				if i >= 2 && s.Choice.Region == "madrid" {
					all[1].RankedCandidate, all[1].Lead = measured("paris", 7, c.half), c.lead
				}
				var d stability.Decision
				s, d = stability.Default.DecidePart(s, all, 1)
				got += d.Choice.Region[:1]
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestDecisionSaysWhyItIsNotTheRawOrder(t *testing.T) {
	_, d := play(windows(0, [2]float64{10, 10}, [2]float64{10, 10}, [2]float64{10, 9.5})...)
	if d.Warming || d.Raw.Region != "paris" || d.Choice.Region != "madrid" || d.Reason != "paris/slim leads madrid/slim by 0.50 ms, evidence 0.51 of 2.00" {
		t.Errorf("got %+v", d)
	}
	if _, d = play(windows(0, [2]float64{10, 12})...); !d.Warming || d.Reason != "" {
		t.Errorf("got %+v", d)
	}
}

func TestCandidateThatIsNotEligibleIsLeftAtOnce(t *testing.T) {
	all := windows(0, [2]float64{10, 12}, [2]float64{10, 12}, [2]float64{10, 12}, [2]float64{10, 12})
	all[3][0].Eligible = false
	choices, d := play(all...)
	if got := strings.Join(choices, " "); got != "madrid madrid madrid paris" || d.Reason != "madrid/slim is no longer eligible" {
		t.Errorf("%s: %+v", got, d)
	}
	all[3][1].Enough = false
	if _, d = play(all...); d.Choice != (schemas.Candidate{}) || d.Reason != "no candidate with enough samples passes every gate" {
		t.Errorf("got %+v", d)
	}
}

func TestStateSurvivesStorage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var kept, stored stability.State
	for range 200 {
		w := windows(0, [2]float64{10 + random.NormFloat64(), 10 + random.NormFloat64()})[0]
		var a, b stability.Decision
		kept, a = stability.Default.Decide(kept, w)
		stored, b = stability.Default.Decide(stored, w)
		if a != b {
			t.Fatalf("%+v, after storage %+v", a, b)
		}
		data, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = stability.State{}
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
	}
}

// An interval of ± 1.96 standard deviations is what the ranker gives for noise of that size.
func noisy(random *rand.Rand, region string, cost, deviation float64) schemas.RankedCandidate {
	return measured(region, cost+deviation*random.NormFloat64(), 1.96*deviation)
}

// A day holds 720 windows of two minutes. What matters is the noise beside the margin, from none to far more.
func TestEqualRegionsKeepTheirOrderForADay(t *testing.T) {
	for _, deviation := range []float64{0.05, 0.5, 2, 20} {
		changed := 0
		for seed := range uint64(30) {
			random := rand.New(rand.NewPCG(seed, 0))
			var all [][]schemas.RankedCandidate
			for range 720 {
				all = append(all, []schemas.RankedCandidate{noisy(random, "madrid", 100, deviation), noisy(random, "paris", 100, deviation)})
			}
			choices, _ := play(all...)
			for i := stability.Default.Windows; i < len(choices); i++ {
				if choices[i] != choices[i-1] {
					changed++
				}
			}
		}
		if changed > 0 {
			t.Errorf("deviation %v ms: %d changes in 30 days", deviation, changed)
		}
	}
}

// Two windows of two minutes are over within five minutes.
func TestRegressionIsFoundInTwoWindows(t *testing.T) {
	missed := 0
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 0))
		var all [][]schemas.RankedCandidate
		for i := range 12 {
			cost := 60.0
			if i >= 10 {
				cost *= 1.3
			}
			all = append(all, []schemas.RankedCandidate{noisy(random, "madrid", cost, 1.5), noisy(random, "paris", 66, 1.5)})
		}
		if choices, _ := play(all...); choices[9] != "madrid" || choices[11] != "paris" {
			missed++
		}
	}
	if missed > 50 {
		t.Errorf("missed %d of 1000", missed)
	}
}
