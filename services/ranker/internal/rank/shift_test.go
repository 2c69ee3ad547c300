package rank_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// coast is a world of four vantages that is ranked again and again, a block after the other, with london and tokyo to choose from.
type coast struct {
	world  schemas.Topology
	state  rank.State
	at     time.Time
	random *rand.Rand
	cells  map[[2]string][]rank.Histogram
	// costs are the regions' 95th percentiles, and lies the factors by which a vantage misreports one.
	costs map[string]float64
	lies  map[[2]string]float64
}

func newCoast(quantile float64) *coast {
	c := &coast{world: topology(), at: end, random: rand.New(rand.NewPCG(5, 5)), cells: map[[2]string][]rank.Histogram{}, lies: map[[2]string]float64{}}
	app := &c.world.Apps[0]
	app.Gates, app.Failover, app.Objective.Quantile = schemas.Gates{}, schemas.Failover{Quorum: 0.5, MinVantages: 1}, quantile
	c.state = healthy(c.world)
	c.costs = map[string]float64{"london/slim": 60, "tokyo/slim": 66}
	return c
}

// step measures a hundred samples of every cell and returns the order for frankfurt.
func (c *coast) step(t testing.TB) schemas.Order {
	t.Helper()
	c.at = c.at.Add(10 * time.Second)
	in := rank.NewInputs(c.world.Apps[0], c.world.Hash(), c.at)
	in.Draws = 20
	for _, name := range []string{"london/slim", "tokyo/slim"} {
		ms := c.costs[name]
		for i := range c.world.Vantages {
			v := c.world.Vantages[i].Name
			pair := [2]string{v, name}
			factor := max(c.lies[pair], 1)
			c.cells[pair] = append(c.cells[pair], histogram(t, 100, around(c.random, factor*ms)))
			blocks := c.cells[pair][max(0, len(c.cells[pair])-in.Blocks()):]
			cell := rank.Cell{Vantage: v, Candidate: candidate(name), Kind: "http", NewestMS: c.at.UnixMilli()}
			cell.Blocks = append(make([]rank.Histogram, in.Blocks()-len(blocks)), blocks...)
			in.Cells = append(in.Cells, cell)
		}
	}
	for i := range c.state.Verdicts {
		c.state.Verdicts[i].At = c.at
	}
	for i := range c.state.Presences {
		c.state.Presences[i].At = c.at
	}
	c.state.Previous = compute(t, in, c.world, c.state)
	return c.state.Previous.Orders[0]
}

// settle ranks until the choice holds.
func (c *coast) settle(t testing.TB) {
	t.Helper()
	for range 36 {
		c.step(t)
	}
	if o := c.state.Previous.Orders[0]; o.Warming || o.Choice != candidate("london/slim") {
		t.Fatalf("the choice is %s", o.Choice)
	}
}

func TestChoiceThatGotSlowerIsLeftAtOnce(t *testing.T) {
	for _, quantile := range []float64{0.5, 0.95} {
		c := newCoast(quantile)
		c.costs["tokyo/slim"] = 70
		c.settle(t)
		c.costs["london/slim"] *= 1.3
		n := 1
		for ; c.step(t).Choice == candidate("london/slim"); n++ {
			if n == 6 {
				t.Fatalf("quantile %g: still london after %d blocks", quantile, n)
			}
		}
		again, err := rank.Again(c.state.Previous.Inputs)
		if o := again.Orders[0]; err != nil || o.Choice != candidate("tokyo/slim") || !strings.Contains(o.Reason, "tokyo/slim leads london/slim by") {
			t.Errorf("quantile %g, from what is stored: %s, %s, %v", quantile, o.Choice, o.Reason, err)
		}
		for range 24 {
			if o := c.step(t); o.Choice != candidate("tokyo/slim") || o.Raw != o.Choice && o.Reason == "" {
				t.Fatalf("quantile %g: the choice is %s, that of the window %s: %q", quantile, o.Choice, o.Raw, o.Reason)
			}
		}
	}
}

func TestOnlyAChoiceThatGotSlowerIsLeftAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		what func(*coast)
	}{
		{"one vantage says that it did", func(c *coast) { c.lies[[2]string{"madrid", "london/slim"}] = 10 }},
		{"all got slower", func(c *coast) { c.costs["london/slim"] *= 1.3; c.costs["tokyo/slim"] *= 1.3 }},
		{"it did, and is still faster", func(c *coast) { c.costs["london/slim"] *= 1.3; c.costs["tokyo/slim"] = 80 }},
		{"it did, and is slower than the other only by what one vantage says", func(c *coast) {
			c.costs["london/slim"] *= 1.3
			c.lies[[2]string{"madrid", "london/slim"}] = 2
		}},
		{"the other got faster, by a little more than it was behind", func(c *coast) { c.costs["tokyo/slim"] = 57 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := newCoast(0.5)
			world.costs["tokyo/slim"] = 80
			world.settle(t)
			c.what(world)
			for n := range 11 {
				if o := world.step(t); o.Choice != candidate("london/slim") {
					t.Fatalf("%s after %d blocks: %s", o.Choice, n+1, o.Reason)
				}
			}
		})
	}
}
