package stats_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
	"github.com/leeward-failover/leeward/services/ranker/internal/stats"
)

// end is about now, three seconds into a block of the clock: the table forgets what is older than two weeks.
var end = time.Now().UTC().Truncate(10 * time.Second).Add(3 * time.Second)

// sample is a row of the table, at seconds before the end of the window.
type sample struct {
	vantage, region, variant, kind, outcome string
	before                                  float64
	us                                      uint32
	sequence                                uint64
	// after is how many seconds later the bus stored it.
	after int32
}

func world() schemas.Topology {
	return schemas.Topology{
		Vantages: []schemas.Vantage{{Name: "madrid"}, {Name: "london", Region: "london"}},
		Apps: []schemas.App{{
			Name: "shop", Endpoints: []schemas.Endpoint{{Region: "tokyo", Variant: "slim", Database: "env:DB"}},
			Probe:     schemas.Probe{Timeout: schemas.Duration(800 * time.Millisecond)},
			Objective: schemas.Objective{Kind: "http", Quantile: 0.95, Window: schemas.Duration(2 * time.Minute), WritesPerRequest: 1},
			Gates:     schemas.Gates{MaxRTT: schemas.Duration(time.Second)},
		}},
	}
}

func TestCountsByCellAndBlock(t *testing.T) {
	topology := world()
	db := chembedtest.Migrated(t, chembedtest.Start(t))
	insert(t, db, []sample{
		{"madrid", "tokyo", "slim", "http", "ok", 0.001, 1000, 41, 0},
		{"madrid", "tokyo", "slim", "http", "ok", 9.5, 1000, 7, 0},
		{"madrid", "tokyo", "slim", "http", "timeout", 10, 800_000, 7, 0},
		{"madrid", "tokyo", "slim", "http", "ok", 3.001, 0, 7, 0},
		{"madrid", "tokyo", "slim", "http", "ok", 123, math.MaxUint32, 7, 0},
		{"madrid", "tokyo", "", "db_write", "ok", 5, 2000, 7, 0},
		{"london", "tokyo", "slim", "icmp", "ok", 100, 500, 7, 0},
		{"london", "tokyo", "slim", "icmp", "unreachable", 5, 20, 7, 0},
		{"madrid", "tokyo", "slim", "icmp", "ok", 5, 500, 7, 0},     // no region's vantage: no gate asks
		{"madrid", "tokyo", "", "db_read", "ok", 5, 500, 7, 0},      // not part of the cost
		{"madrid", "paris", "", "db_write", "ok", 5, 2000, 7, 0},    // no region of the app
		{"madrid", "tokyo", "slim", "http", "ok", 123.001, 9, 7, 0}, // before the window's first block
		{"madrid", "tokyo", "slim", "http", "ok", -7, 9, 99, 0},     // in a block to come
		{"berlin", "tokyo", "slim", "http", "ok", 5, 9, 7, 0},       // no longer a vantage
		{"madrid", "tokyo", "fat", "http", "ok", 5, 9, 7, 0},        // no longer an endpoint
		{"import", "tokyo", "slim", "http", "ok", 5, 9, 1, 0},       // measured elsewhere
	})
	got := inputs(t, window(t, db), topology, 0, end)
	slim := schemas.Candidate{Region: "tokyo", Variant: "slim"}
	blocks := func(set map[int]rank.Histogram) []rank.Histogram {
		all := make([]rank.Histogram, 13)
		for i, h := range set {
			all[i] = h
		}
		return all
	}
	one := func(bin int) rank.Histogram { return rank.Histogram{First: bin, Counts: []uint64{1}} }
	want := rank.NewInputs(topology.Apps[0], topology.Hash(), end).Aligned()
	want.StreamSequence = 99
	want.Cells = []rank.Cell{
		{Vantage: "madrid", Candidate: schemas.Candidate{Region: "tokyo"}, Kind: "db_write", NewestMS: end.UnixMilli() - 5000, Blocks: blocks(map[int]rank.Histogram{11: one(350)})},
		{Vantage: "madrid", Candidate: slim, Kind: "http", NewestMS: end.UnixMilli(), Blocks: blocks(map[int]rank.Histogram{
			12: one(318), 11: {Failures: 1, First: 0, Counts: append(append([]uint64{1}, make([]uint64, 317)...), 1)}, 0: one(1023)})},
		{Vantage: "london", Candidate: slim, Kind: "icmp", NewestMS: end.UnixMilli() - 5000, Blocks: []rank.Histogram{{Failures: 1, First: 286, Counts: []uint64{1}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// held is a window that is kept, beside what is stored.
type held struct {
	db       *clickhouse.DB
	topology schemas.Topology
	window   *stats.Window
	rereads  int
	random   *rand.Rand
	// numbers are those of each vantage's stream.
	numbers map[string]uint64
	// measured is what comes next.
	measured []sample
}

func hold(t *testing.T) *held {
	t.Helper()
	h := &held{db: chembedtest.Migrated(t, chembedtest.Start(t)), topology: world(), random: rand.New(rand.NewPCG(1, 1)),
		numbers: map[string]uint64{"madrid": 5_000, "london": 70, "oslo": 1}}
	h.topology.Vantages = append(h.topology.Vantages, schemas.Vantage{Name: "oslo", Region: "oslo"})
	other := h.topology.Apps[0]
	other.Name, other.Objective.Window = "blog", schemas.Duration(50*time.Second)
	h.topology.Apps = append(h.topology.Apps, other)
	h.window = stats.NewWindow(h.db, func() { h.rereads++ })
	return h
}

// measure takes some samples of the last eight seconds, or of up to late seconds before.
func (h *held) measure(vantage string, now time.Time, late float64) {
	h.numbers[vantage]++
	for range 1 + h.random.IntN(30) {
		s := sample{vantage, "tokyo", "slim", []string{"http", "icmp", "tcp"}[h.random.IntN(3)], "ok", end.Sub(now).Seconds() + 8*h.random.Float64(), uint32(h.random.IntN(1 << 20)), h.numbers[vantage], 0}
		s.before += late * h.random.Float64()
		s.after = int32(s.before - end.Sub(now).Seconds())
		if h.random.IntN(10) == 0 {
			s.outcome = "refused"
		}
		h.measured = append(h.measured, s)
	}
}

// refresh stores what was measured and brings the window up to date.
func (h *held) refresh(t *testing.T, now time.Time) {
	t.Helper()
	insert(t, h.db, h.measured)
	h.measured = nil
	for app := range h.topology.Apps {
		inputs(t, h.window, h.topology, app, now)
	}
}

// diff is how what is held differs from what is stored.
func (h *held) diff(t *testing.T, now time.Time) (all string) {
	t.Helper()
	fresh := window(t, h.db)
	for app := range h.topology.Apps {
		all += cmp.Diff(inputs(t, fresh, h.topology, app, now), inputs(t, h.window, h.topology, app, now), cmpopts.IgnoreFields(rank.Inputs{}, "StreamSequence"))
	}
	return all
}

// step is a time five seconds after the one before.
func step(n int) time.Time { return end.Add(time.Duration(5*n) * time.Second) }

func TestWhatIsHeldIsWhatIsStored(t *testing.T) {
	h := hold(t)
	for n := range 56 {
		for _, v := range []string{"madrid", "london", "oslo"} {
			switch {
			case v == "oslo" && n > 5 && n < 50: // away for longer than a window
			case v == "london" && n > 20 && n < 30: // cut off; what it measured comes later
			case v == "london" && n < 36:
				h.measure(v, step(n), 100)
			default:
				h.measure(v, step(n), 0)
			}
		}
		if h.refresh(t, step(n)); n%4 > 0 {
			continue
		}
		if diff := h.diff(t, step(n)); diff != "" {
			t.Fatalf("step %d: something else is held than stored (-stored +held): %s", n, diff)
		}
	}
	if h.rereads > 0 {
		t.Errorf("everything was read again %d times", h.rereads)
	}
}

// TestSamplesOutOfOrderAreFound has numbers fall: one vantage's bus was wiped, and another's samples became visible in the wrong order.
func TestSamplesOutOfOrderAreFound(t *testing.T) {
	for name, disturb := range map[string]func(h *held, now time.Time){
		"a bus that began anew": func(h *held, _ time.Time) { h.numbers["madrid"] = 0 },
		"a part that came late": func(h *held, now time.Time) {
			h.numbers["london"] -= 3
			h.measure("london", now, 0)
			h.numbers["london"] += 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := hold(t)
			lost, same := false, 0
			for n := range 40 {
				if n == 5 {
					disturb(h, step(n))
				}
				h.measure("madrid", step(n), 0)
				h.measure("london", step(n), 0)
				if h.refresh(t, step(n)); n%4 > 0 {
					continue
				}
				if same++; h.diff(t, step(n)) != "" {
					lost, same = true, 0
				}
			}
			if !lost || h.rereads != 1 || same < 3 {
				t.Errorf("lost: %t, read again %d times, the same as stored the last %d times; want lost, read again once, and the same ever after", lost, h.rereads, same)
			}
		})
	}
}

func window(t *testing.T, db *clickhouse.DB) *stats.Window {
	t.Helper()
	return stats.NewWindow(db, func() { t.Error("everything is read again") })
}

func inputs(t *testing.T, w *stats.Window, topology schemas.Topology, app int, now time.Time) rank.Inputs {
	t.Helper()
	if err := w.Refresh(t.Context(), topology, now); err != nil {
		t.Fatal(err)
	}
	in, err := w.Fill(t.Context(), rank.NewInputs(topology.Apps[app], topology.Hash(), now).Aligned(), topology.Apps[app], topology.Vantages)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

var token atomic.Int64

func insert(t *testing.T, db *clickhouse.DB, samples []sample) {
	t.Helper()
	var due []time.Time
	var app, kind, vantage, region, variant, vantageRegion, outcome []string
	var latency []uint32
	var sequence []uint64
	var after []int32
	for _, s := range samples {
		due = append(due, end.Add(-time.Duration(s.before*float64(time.Second))))
		app, kind, vantage, region = append(app, "shop"), append(kind, s.kind), append(vantage, s.vantage), append(region, s.region)
		variant, outcome = append(variant, s.variant), append(outcome, s.outcome)
		of := ""
		if s.vantage != "madrid" {
			of = s.vantage
		}
		vantageRegion = append(vantageRegion, of)
		latency, sequence = append(latency, s.us), append(sequence, s.sequence)
		after = append(after, s.after)
	}
	if err := db.Insert(t.Context(), clickhouse.Block{Table: "samples", Token: fmt.Sprint(token.Add(1)), Columns: []clickhouse.Column{
		{Name: "due", Values: due}, {Name: "app", Values: app}, {Name: "kind", Values: kind}, {Name: "vantage", Values: vantage}, {Name: "region", Values: region},
		{Name: "variant", Values: variant}, {Name: "vantage_region", Values: vantageRegion}, {Name: "outcome", Values: outcome},
		{Name: "latency_us", Values: latency}, {Name: "stream_sequence", Values: sequence}, {Name: "stored_after_s", Values: after},
	}}); err != nil {
		t.Fatal(err)
	}
}
