package rank_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// TestWhatIsStoredGivesTheSameBytes ranks random worlds, each a few times one after the other, and computes every ranking again from what it stored.
func TestWhatIsStoredGivesTheSameBytes(t *testing.T) {
	for seed := range uint64(60) {
		d := dice{t, rand.New(rand.NewPCG(seed, 11))}
		world := d.world()
		var previous schemas.Ranking
		for i := range 3 {
			in := d.inputs(world, end.Add(time.Duration(i)*37*time.Second))
			state := d.state(world, in.End)
			state.Previous = previous
			r := compute(t, in, world, state)
			again, err := rank.Again(r.Inputs)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := encoded(t, again), encoded(t, r); got != want {
				t.Fatalf("seed %d, ranking %d: computed again\n%s\nwant\n%s", seed, i, got, want)
			}
			previous = r
		}
	}
}

func encoded(t *testing.T, r schemas.Ranking) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// dice throw worlds in which anything may be missing.
type dice struct {
	t *testing.T
	*rand.Rand
}

// one in n is true.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

func (d dice) world() schemas.Topology {
	world := topology()
	app := &world.Apps[0]
	app.Objective.Quantile = []float64{0.5, 0.9, 0.95}[d.IntN(3)]
	app.Objective.Window = schemas.Duration([]time.Duration{time.Minute, 2 * time.Minute, time.Hour}[d.IntN(3)])
	app.Objective.MaxLatency = schemas.Duration(1234567 * time.Nanosecond)
	app.Endpoints[0].Capacity = 100
	if d.one(2) {
		app.Objective.WritesPerRequest, app.PrimaryDatabase = 0.3, "env:PRIMARY"
	}
	if d.one(2) {
		app.Gates.Headroom, app.Gates.RPO, app.Gates.MaxRTO = 1.2, schemas.Duration(3*time.Second), schemas.Duration(time.Minute)
		app.Gates.Custom = []schemas.CustomGate{{Name: "cheap", Expr: "candidate.cost_ms < 100.0"}, {Name: "broken", Expr: "1 <"}, {Name: "labelled", Expr: "region.labels['tier'] == 'a'"}}
		world.Regions[0].Labels = map[string]string{"tier": "a", "b": "<&>"}
	}
	if d.one(3) {
		app.Gates = schemas.Gates{}
	}
	if d.one(2) {
		for i := range world.Vantages {
			world.Vantages[i].Weight = float64(d.IntN(4)) / 3
		}
		world.Vantages[0].Weight = 0.7
	}
	if d.one(4) { // light does not get there in time
		world.Regions[2].Location = schemas.Location{Latitude: 35.68, Longitude: 139.69}
	}
	return world
}

func (d dice) inputs(world schemas.Topology, at time.Time) rank.Inputs {
	app := world.Apps[0]
	in := rank.NewInputs(app, world.Hash(), at)
	in.Draws, in.StreamSequence = 50, d.Uint64()
	for _, v := range world.Vantages {
		for _, e := range app.Endpoints {
			for _, kind := range []string{"http", "icmp", "tcp"} {
				in.Cells = append(in.Cells, d.cells(in, v.Name, e.Candidate().String(), kind)...)
			}
		}
		for _, region := range app.Regions() {
			in.Cells = append(in.Cells, d.cells(in, v.Name, region+"/", "db_write")...)
		}
	}
	d.Shuffle(len(in.Cells), func(i, j int) { in.Cells[i], in.Cells[j] = in.Cells[j], in.Cells[i] })
	return in
}

// cells are one cell, or none where nobody measured.
func (d dice) cells(in rank.Inputs, vantage, name, kind string) []rank.Cell {
	if d.one(12) {
		return nil
	}
	draw := around(d.Rand, 30+float64(d.IntN(8)))
	often := 20 + d.IntN(200)
	c := cellOf(d.t, in, vantage, name, kind, 1+d.IntN(20), func() float64 {
		if d.one(often) {
			return failed
		}
		return draw()
	})
	for b := range c.Blocks {
		if d.one(10) {
			c.Blocks[b] = rank.Histogram{}
		}
	}
	if d.one(3) {
		c.TimedOut = []rank.Histogram{histogram(d.t, 2, always(31)), {}}
	}
	if d.one(10) {
		c.Blocks = c.Blocks[:1]
	}
	return []rank.Cell{c}
}

// state has times of another zone: what is stored has none.
func (d dice) state(world schemas.Topology, now time.Time) rank.State {
	s := healthy(world)
	at := now.Add(-time.Duration(d.IntN(3_000_000_000))).In(time.FixedZone("here", 3600))
	for i := range s.Verdicts {
		s.Verdicts[i].At = at
		held := schemas.Heartbeat{Token: 1 + d.Int64N(5), At: at.Add(-time.Duration(d.IntN(6_000_000_000))), SeenAt: at}
		s.Verdicts[i].Replication = &schemas.Replication{Acknowledged: schemas.Heartbeat{Token: 5, At: at, SeenAt: at}, Replayed: held}
	}
	for i := range s.Presences {
		s.Presences[i].At = at
	}
	s.Verdicts = slices.DeleteFunc(s.Verdicts, func(schemas.Verdict) bool { return d.one(20) })
	s.Images = slices.DeleteFunc(s.Images, func(schemas.ImageState) bool { return d.one(10) })
	s.Load = schemas.Load{App: "shop", RequestsPerSecond: 83.3, At: at}
	if d.one(3) {
		s.Overrides = []schemas.Override{{App: "shop", Region: "london", Kind: schemas.Exclude, Why: "disk <trouble>", Who: "anna", At: at, Until: now.Add(time.Hour)}}
	}
	return s
}
