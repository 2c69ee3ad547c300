package rank_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// shore is a world of one vantage that is ranked again and again: every step is a block, so that a window shares eleven of its twelve blocks with the one before.
type shore struct {
	world    schemas.Topology
	state    rank.State
	at       time.Time
	measured map[string][]rank.Histogram
}

func newShore() *shore {
	world := topology()
	world.Vantages = world.Vantages[2:3]
	app := &world.Apps[0]
	app.Gates, app.Failover = schemas.Gates{}, schemas.Failover{Quorum: 0.5, MinVantages: 1}
	app.Endpoints = slices.DeleteFunc(app.Endpoints, func(e schemas.Endpoint) bool { return e.Variant != "slim" })
	return &shore{world: world, state: healthy(world), at: end, measured: map[string][]rank.Histogram{}}
}

// step measures ten samples a second for one block and returns the order for frankfurt.
func (s *shore) step(t testing.TB, costs map[string]func() float64) schemas.Order {
	t.Helper()
	s.at = s.at.Add(10 * time.Second)
	in := rank.NewInputs(s.world.Apps[0], s.world.Hash(), s.at)
	in.Draws = 100
	for name, draw := range costs {
		blocks := append(s.measured[name], histogram(t, 100, draw))
		blocks = blocks[max(0, len(blocks)-in.Blocks()):]
		s.measured[name] = blocks
		cell := rank.Cell{Vantage: "madrid", Candidate: candidate(name), Kind: "http", NewestMS: s.at.UnixMilli()}
		cell.Blocks = append(make([]rank.Histogram, in.Blocks()-len(blocks)), blocks...)
		in.Cells = append(in.Cells, cell)
	}
	for i := range s.state.Verdicts {
		s.state.Verdicts[i].At = s.at
	}
	s.state.Presences[0].At = s.at
	s.state.Previous = compute(t, in, s.world, s.state)
	return s.state.Previous.Orders[0]
}

// sequence is the first three of an order, without their ranks.
func sequence(o schemas.Order) string {
	var words []string
	for _, c := range o.Candidates[:3] {
		words = append(words, c.Candidate.String())
	}
	return strings.Join(words, " ")
}

func slow(draw func() float64, factor float64) func() float64 {
	return func() float64 { return factor * draw() }
}

func TestEqualRegionsAreNotChangedInADay(t *testing.T) {
	s, random := newShore(), rand.New(rand.NewPCG(1, 1))
	costs := map[string]func() float64{"london/slim": around(random, 60), "tokyo/slim": around(random, 60)}
	changes, raw := map[schemas.Candidate]int{}, map[schemas.Candidate]int{}
	hours := 24
	if racing { // nothing in it races
		hours = 6
	}
	for range hours * 360 {
		o := s.step(t, costs)
		if !o.Warming && o.Choice != (schemas.Candidate{}) {
			changes[o.Choice]++
			raw[o.Raw]++
		}
		if o.Candidates[0].Candidate != o.Choice && o.Choice != (schemas.Candidate{}) {
			t.Fatalf("%s is published first, the choice is %s", o.Candidates[0].Candidate, o.Choice)
		}
	}
	if len(changes) != 1 {
		t.Errorf("published as first: %v", changes)
	}
	if len(raw) != 2 {
		t.Errorf("first of a window: %v: the test sees nothing", raw)
	}
}

func TestRegressionIsPublishedWithinFiveMinutes(t *testing.T) {
	slowest := 0
	for seed := range uint64(10) {
		s, random := newShore(), rand.New(rand.NewPCG(seed, 2))
		costs := map[string]func() float64{"london/slim": around(random, 60), "tokyo/slim": around(random, 66)}
		for range 36 {
			if o := s.step(t, costs); o.Choice != candidate("london/slim") && o.Choice != (schemas.Candidate{}) {
				t.Fatalf("%s was chosen before anything happened: %s", o.Choice, o.Reason)
			}
		}
		costs["london/slim"] = slow(costs["london/slim"], 1.3)
		n := 1
		for ; s.step(t, costs).Choice == candidate("london/slim"); n++ {
			if n > 30 {
				t.Fatalf("seed %d: not published after %d s", seed, 10*n)
			}
		}
		slowest = max(slowest, n)
	}
	t.Logf("published after %d s at the latest", 10*slowest)
}

func TestCandidateThatMayNotBeMovedToIsLeftAtOnce(t *testing.T) {
	s := newShore()
	costs := map[string]func() float64{"london/slim": always(20), "tokyo/slim": always(60), "frankfurt/slim": always(10)}
	for range 40 {
		s.step(t, costs)
	}
	for i, v := range s.state.Verdicts {
		if v.Region == "london" {
			s.state.Verdicts[i].Health = schemas.Down
		}
	}
	o := s.step(t, costs)
	if o.Choice != candidate("tokyo/slim") || o.Reason != "london/slim is no longer eligible" {
		t.Errorf("chosen %s: %s", o.Choice, o.Reason)
	}
	if got := sequence(o); got != "frankfurt/slim london/slim tokyo/slim" {
		t.Errorf("published %s", got)
	}
}

func TestChoiceThatIsHeldComesBeforeTheRawOne(t *testing.T) {
	s := newShore()
	costs := map[string]func() float64{"london/slim": always(20), "tokyo/slim": always(21), "frankfurt/slim": always(10)}
	for range 40 {
		s.step(t, costs)
	}
	costs["tokyo/slim"] = always(19.5)
	var o schemas.Order
	for range 12 {
		o = s.step(t, costs)
	}
	if got := sequence(o); o.Choice != candidate("london/slim") || o.Raw != candidate("tokyo/slim") || o.Reason == "" ||
		got != "frankfurt/slim london/slim tokyo/slim" {
		t.Errorf("chosen %s, raw %s (%s): %s", o.Choice, o.Raw, o.Reason, got)
	}
	before := s.state.Previous
	if rank.Changed(before, s.step(t, costs)) {
		t.Error("an order that holds its choice has changed")
	}
	before = s.state.Previous
	s.at = s.at.Add(-10 * time.Second) // the same window once more
	if again := s.step(t, costs); string(again.Stability) != string(before.Orders[0].Stability) {
		t.Errorf("a window that was seen counts again: %s after %s", again.Stability, before.Orders[0].Stability)
	}
	s.state.Previous.At = time.Time{} // as if a whole window were new
	if again := s.step(t, costs); string(again.Stability) == string(before.Orders[0].Stability) {
		t.Error("a new window does not count: the test sees nothing")
	}
}

// TestOneVantageMakesNoChoice lets a vantage lie: about one candidate for the better, or about the choice for the worse. What all of them see is believed.
func TestOneVantageMakesNoChoice(t *testing.T) {
	world := topology()
	world.Apps[0].Gates = schemas.Gates{}
	state := healthy(world)
	at := end
	order := func(said func(vantage, name string) float64) schemas.Order {
		at = at.Add(world.Apps[0].Objective.Window.D())
		in := rank.NewInputs(world.Apps[0], world.Hash(), at)
		for _, v := range world.Vantages {
			for _, name := range []string{"london/slim", "tokyo/slim"} {
				in.Cells = append(in.Cells, cellOf(t, in, v.Name, name, "http", 10, always(said(v.Name, name))))
			}
		}
		for i := range state.Verdicts {
			state.Verdicts[i].At = at
		}
		for i := range state.Presences {
			state.Presences[i].At = at
		}
		state.Previous = compute(t, in, world, state)
		return state.Previous.Orders[0]
	}
	truth := func(_, name string) float64 { return map[string]float64{"london/slim": 60, "tokyo/slim": 70}[name] }
	london, tokyo := candidate("london/slim"), candidate("tokyo/slim")
	for range 4 {
		order(truth)
	}
	for what, lie := range map[string]func(vantage, name string) float64{
		"tokyo is near": func(vantage, name string) float64 {
			if vantage == "madrid" && name == "tokyo/slim" {
				return 0.5
			}
			return truth(vantage, name)
		},
		"london is far": func(vantage, name string) float64 {
			if vantage == "madrid" && name == "london/slim" {
				return 700
			}
			return truth(vantage, name)
		},
	} {
		for range 20 {
			o := order(lie)
			if o.Choice != london || o.Raw != tokyo || o.Reason != "tokyo/slim leads london/slim only by what madrid measures" {
				t.Fatalf("%s: the choice is %s, that of the window %s: %s", what, o.Choice, o.Raw, o.Reason)
			}
		}
		order(truth)
	}
	everywhere := func(vantage, name string) float64 {
		return map[string]float64{"london/slim": 80, "tokyo/slim": 70}[name]
	}
	order(everywhere)
	if o := order(everywhere); o.Choice != tokyo {
		t.Errorf("the choice is %s though all vantages see %s nearer: %s", o.Choice, tokyo, o.Reason)
	}
}
