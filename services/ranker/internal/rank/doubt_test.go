package rank_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

func TestTieSaysWhy(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	world := topology()
	in := inputs(t, world, map[string]func() float64{
		"frankfurt/slim": around(random, 50), "london/slim": around(random, 50.4), "tokyo/slim": around(random, 90), "london/single": around(random, 120)})
	for i, c := range in.Cells { // madrid alone makes tokyo slow
		if c.Vantage != "madrid" && c.Candidate == candidate("tokyo/slim") {
			in.Cells[i] = cellOf(t, in, c.Vantage, "tokyo/slim", "http", 10, around(random, 50))
		}
	}
	r := compute(t, in, world, healthy(world))
	for name, want := range map[string]string{
		"london/slim":      "ms apart, 95 % interval from -",
		"tokyo/slim":       "without madrid ",
		"london/single":    "",
		"frankfurt/single": "missing: 100 of 100 http samples from frankfurt, 100 of 100 http samples from london, ",
	} {
		got := find(t, r, "frankfurt", name)
		if !strings.Contains(got.Doubt, want) || want == "" && got.Doubt != "" {
			t.Errorf("%s: %q, want %q", name, got.Doubt, want)
		}
		if tied := got.Rank == 1; tied != strings.HasPrefix(got.Doubt, "tie with ") && name != "frankfurt/slim" {
			t.Errorf("%s: rank %d, %q", name, got.Rank, got.Doubt)
		}
	}
	if got := find(t, r, "frankfurt", "frankfurt/slim"); got.Doubt != "" || got.PBest < 0.5 || got.RegretMS < 0 {
		t.Errorf("the first: %+v", got)
	}
	if got := find(t, r, "frankfurt", "london/single"); got.PBest != 0 || math.Abs(got.RegretMS-70) > 3 {
		t.Errorf("70 ms behind: P(best) %g, regret %g ms", got.PBest, got.RegretMS)
	}
}

func TestNothingMeasuredSaysWhatIsMissing(t *testing.T) {
	world := topology()
	got := find(t, compute(t, inputs(t, world, nil), world, healthy(world)), "frankfurt", "london/slim")
	if want := "missing: samples in 3 more blocks of 10s"; got.Doubt != want || got.PBest != 0 {
		t.Errorf("%q, P(best) %g; want %q", got.Doubt, got.PBest, want)
	}
}

func TestChancesAddUpToOne(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	world := topology()
	costs := map[string]func() float64{}
	for _, name := range []string{"frankfurt/slim", "frankfurt/single", "london/slim", "london/single", "tokyo/slim"} {
		costs[name] = around(random, 50)
	}
	sum := 0.0
	for _, c := range compute(t, inputs(t, world, costs), world, healthy(world)).Orders[0].Candidates {
		if sum += c.PBest; c.Enough && (c.PBest == 0 || c.PBest == 1) {
			t.Errorf("%s of five equal ones: P(best) %g", c.Candidate, c.PBest)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the chances add up to %g", sum)
	}
}

// TestWhatWasGivenUpEarlyIsNoFailure measures half of the time with a time-out that a fifth of the latencies are beyond.
func TestWhatWasGivenUpEarlyIsNoFailure(t *testing.T) {
	const median, spread, early, worlds = 50.0, 0.4, 70.0, 200
	truth := median * math.Exp(spread*1.6449)
	world := topology()
	world.Vantages = world.Vantages[:1]
	random := rand.New(rand.NewPCG(6, 6))
	latency := func() float64 { return median * math.Exp(spread*random.NormFloat64()) }
	held := 0
	for w := range worlds {
		in := rank.NewInputs(world.Apps[0], "x", end.Add(time.Duration(w)*time.Second))
		c := cellOf(t, in, "frankfurt", "london/slim", "http", 0, nil)
		for b := range c.Blocks {
			var well, gone []int32
			for range 100 {
				switch ms := latency(); {
				case random.IntN(2) == 0 || ms <= early:
					well = append(well, bin(ms))
				default:
					gone = append(gone, bin(early))
				}
			}
			c.Blocks[b], c.TimedOut = counted(t, well), append(c.TimedOut, counted(t, gone))
		}
		in.Cells = []rank.Cell{c}
		got := find(t, compute(t, in, world, rank.State{}), "frankfurt", "london/slim")
		if got.Censored || got.Samples != 1200 || got.Failures == 0 {
			t.Fatalf("%+v", got)
		}
		if got.LowMS <= truth && truth <= got.HighMS {
			held++
		}
	}
	t.Logf("%d of %d", held, worlds)
	if held < worlds*91/100 {
		t.Errorf("%d of %d intervals hold the truth", held, worlds)
	}
}

func bin(ms float64) int32 { return int32(math.Floor(math.Log2(ms*1000) * rank.BinsPerOctave)) }

func counted(t *testing.T, bins []int32) rank.Histogram {
	t.Helper()
	h, err := rank.NewHistogram(0, bins, slices.Repeat([]uint64{1}, len(bins)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAllGivenUpEarlyCostsAtLeastThat(t *testing.T) {
	world := topology()
	in := inputs(t, world, map[string]func() float64{"london/slim": always(20)})
	for i := range in.Cells {
		c := &in.Cells[i]
		c.TimedOut, c.Blocks = slicesOf(t, in, always(100)), slicesOf(t, in, func() float64 { return 0 })
	}
	got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim")
	if !got.Censored || got.CostMS > 100 || got.CostMS < 97 || got.Samples != got.Failures || got.Samples != 480 {
		t.Errorf("%+v", got)
	}
	in.Cells[0].TimedOut = make([]rank.Histogram, in.Blocks()+1)
	if _, err := rank.Compute(in, world.Apps[0], world, rank.State{}); err == nil {
		t.Error("more blocks than the window has were computed")
	}
}

// slicesOf are ten measurements in every block, or none where draw gives 0.
func slicesOf(t *testing.T, in rank.Inputs, draw func() float64) []rank.Histogram {
	t.Helper()
	all := make([]rank.Histogram, in.Blocks())
	for b := range all {
		if draw() > 0 {
			all[b] = histogram(t, 10, draw)
		}
	}
	return all
}
