package rank_test

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// ranks writes an order as rank:region/variant.
func ranks(o schemas.Order) string {
	var words []string
	for _, c := range o.Candidates {
		words = append(words, fmt.Sprintf("%d:%s", c.Rank, c.Candidate))
	}
	return strings.Join(words, " ")
}

func TestOrderFollowsCostAndTiesWhatCanNotBeToldApart(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		name  string
		costs map[string]func() float64
		want  string
	}{
		{"clear order", map[string]func() float64{"frankfurt/single": always(30), "frankfurt/slim": always(20), "london/single": always(60), "london/slim": always(50), "tokyo/slim": always(10)},
			"1:tokyo/slim 2:frankfurt/slim 3:frankfurt/single 4:london/slim 5:london/single 6:tokyo/single"},
		{"the same bin is a tie, by name", map[string]func() float64{"frankfurt/single": always(20), "frankfurt/slim": always(20), "london/single": always(40), "london/slim": always(40), "tokyo/slim": always(90)},
			"1:frankfurt/single 1:frankfurt/slim 3:london/single 3:london/slim 5:tokyo/slim 6:tokyo/single"},
		{"noise is a tie", map[string]func() float64{"frankfurt/single": around(random, 50), "frankfurt/slim": around(random, 50.1), "london/single": around(random, 80), "london/slim": around(random, 100), "tokyo/slim": around(random, 200)},
			"1 1 3 4 5 6"},
		{"more failures than the quantile allows cost the time-out", map[string]func() float64{"frankfurt/single": mixed(20, 10), "frankfurt/slim": mixed(20, 100), "london/single": always(60), "london/slim": always(70), "tokyo/slim": always(80)},
			"1:frankfurt/slim 2:london/single 3:london/slim 4:tokyo/slim 5:frankfurt/single 6:tokyo/single"},
		{"nothing measured", nil,
			"1:frankfurt/single 1:frankfurt/slim 1:london/single 1:london/slim 1:tokyo/slim 6:tokyo/single"},
		{"too few samples come after enough", map[string]func() float64{"london/slim": always(500)},
			"1:london/slim 2:frankfurt/single 2:frankfurt/slim 2:london/single 2:tokyo/slim 6:tokyo/single"},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := topology()
			r := compute(t, inputs(t, world, c.costs), world, healthy(world))
			if len(r.Orders) != 3 {
				t.Fatalf("%d orders, want one per region that runs the app", len(r.Orders))
			}
			for _, o := range r.Orders {
				got := ranks(o)
				if !strings.Contains(c.want, ":") {
					got = ""
					for _, k := range o.Candidates {
						got += fmt.Sprint(k.Rank, " ")
					}
					got = strings.TrimSpace(got)
				}
				if got != c.want {
					t.Errorf("active %s: %s\nwant %s", o.Active, got, c.want)
				}
			}
		})
	}
}

func TestCostIsTheWeightedSumOfQuantiles(t *testing.T) {
	world := topology()
	world.Vantages[0].Weight, world.Vantages[2].Weight = 3, 1 // frankfurt and madrid; the others stand for nobody
	in := inputs(t, world, nil)
	in.Cells = []rank.Cell{
		cellOf(t, in, "frankfurt", "london/slim", "http", 10, always(20)),
		cellOf(t, in, "madrid", "london/slim", "http", 10, always(40)),
		cellOf(t, in, "london", "london/slim", "http", 10, always(700)),
	}
	got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim")
	if want := 0.75*20 + 0.25*40; math.Abs(got.CostMS-want)/want > 0.022 {
		t.Errorf("cost %v ms, want %v within a bin", got.CostMS, want)
	}
	if !got.Enough || got.Censored || got.Samples != 240 || got.LowMS >= got.CostMS || got.HighMS <= got.CostMS {
		t.Errorf("got %+v", got)
	}
	if want := 25 * 0.022; got.HighMS-got.LowMS < want*0.98 {
		t.Errorf("the interval [%v, %v] is narrower than the bins it is counted in", got.LowMS, got.HighMS)
	}
}

func TestWritesAreMeasuredFromInsideTheRegion(t *testing.T) {
	world := topology()
	app := &world.Apps[0]
	app.Objective.WritesPerRequest = 2
	app.PrimaryDatabase = "env:PRIMARY"
	world.Regions = append(world.Regions, schemas.Region{Name: "dallas"})
	app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: "dallas", Variant: "slim", HTTP: "http://x"})
	costs := map[string]func() float64{"frankfurt/slim": always(20), "london/slim": always(20), "tokyo/slim": always(20), "london/single": always(20), "dallas/slim": always(20)}
	in := inputs(t, world, costs)
	for _, v := range world.Vantages {
		ms := map[string]float64{"london": 10, "frankfurt": 30}[v.Name]
		if ms == 0 {
			ms = 200
		}
		in.Cells = append(in.Cells,
			cellOf(t, in, v.Name, "london/", "db_write", 10, always(ms)),
			cellOf(t, in, v.Name, "frankfurt/", "db_write", 10, always(ms)))
	}
	in.Cells = append(in.Cells, cellOf(t, in, "madrid", "tokyo/", "db_write", 10, always(50)))
	r := compute(t, in, world, healthy(world))
	for name, want := range map[string]float64{"london/slim": 20 + 2*10, "london/single": 20 + 2*10, "frankfurt/slim": 20 + 2*30, "tokyo/slim": 20 + 2*50} {
		got := find(t, r, "frankfurt", name)
		if math.Abs(got.CostMS-want)/want > 0.022 || !got.Enough {
			t.Errorf("%s costs %v ms (enough %v), want %v", name, got.CostMS, got.Enough, want)
		}
	}
	if got := find(t, r, "frankfurt", "dallas/slim"); got.Enough {
		t.Error("dallas/slim has enough samples though nobody measured its writes")
	}
	app.Objective.WritesPerRequest = 0
	if got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim"); math.Abs(got.CostMS-20) > 0.3 {
		t.Errorf("without writes in the objective the cost is %v ms, want 20", got.CostMS)
	}
}

func TestQuantileAmongFailuresIsCensoredAtTheTimeout(t *testing.T) {
	world := topology()
	r := compute(t, inputs(t, world, map[string]func() float64{"london/slim": mixed(20, 10), "tokyo/slim": mixed(20, 21), "frankfurt/slim": always(failed)}), world, healthy(world))
	if got := find(t, r, "frankfurt", "london/slim"); !got.Censored || got.CostMS != 800 || got.Samples != 480 || got.Failures != 48 || !got.Enough {
		t.Errorf("one in ten failed: %+v", got)
	}
	if got := find(t, r, "frankfurt", "tokyo/slim"); got.Censored || got.CostMS > 21 || got.Failures == 0 {
		t.Errorf("one in 21 failed: %+v", got)
	}
	if got := find(t, r, "frankfurt", "frankfurt/slim"); !got.Censored || got.LowMS > 800 || got.HighMS < 800 {
		t.Errorf("all failed: %+v", got)
	}
}

func TestVantageThatHasJustComeOrGoneIsLeftOutForAll(t *testing.T) {
	world := topology()
	in := inputs(t, world, map[string]func() float64{"frankfurt/slim": always(30), "london/slim": always(20)})
	for i, c := range in.Cells {
		if c.Vantage == "frankfurt" { // cut off after the second block
			for b := 2; b < len(c.Blocks); b++ {
				in.Cells[i].Blocks[b] = rank.Histogram{}
			}
		}
	}
	got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim")
	if !got.Enough || got.Samples != 360 {
		t.Errorf("with one of four vantages gone: enough %v, %d samples; want true, 360", got.Enough, got.Samples)
	}
	if want := "360 samples from 3 vantages, 20 needed, without frankfurt"; gateOf(got, "samples").Evidence != want {
		t.Errorf("evidence %q, want %q", gateOf(got, "samples").Evidence, want)
	}
	in.Cells = in.Cells[:0]
	for _, v := range world.Vantages {
		in.Cells = append(in.Cells, cellOf(t, in, v.Name, "london/slim", "http", 8, always(20)))
	}
	if got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim"); got.Enough || got.Samples != 4*12*8 || got.CostMS == 0 {
		t.Errorf("when all have too few, all count and none has enough: %+v", got)
	}
}

func TestFewBlocksAreNotEnough(t *testing.T) {
	world := topology()
	in := inputs(t, world, nil)
	for _, v := range world.Vantages {
		c := cellOf(t, in, v.Name, "london/slim", "http", 0, nil)
		c.Blocks[3], c.Blocks[4] = histogram(t, 100, always(20)), histogram(t, 100, always(20))
		in.Cells = append(in.Cells, c)
	}
	if got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim"); got.Enough {
		t.Error("200 samples in two blocks are enough")
	}
	for i := range in.Cells {
		in.Cells[i].Blocks[9] = histogram(t, 1, always(20))
	}
	if got := find(t, compute(t, in, world, healthy(world)), "frankfurt", "london/slim"); !got.Enough {
		t.Error("201 samples in three blocks are not enough")
	}
}

func TestSameInputsGiveTheSameBytes(t *testing.T) {
	world := topology()
	random := rand.New(rand.NewPCG(7, 7))
	in := inputs(t, world, map[string]func() float64{"frankfurt/single": around(random, 50), "frankfurt/slim": around(random, 52), "london/slim": around(random, 51), "tokyo/slim": around(random, 90)})
	encode := func(in rank.Inputs) string {
		data, err := json.Marshal(compute(t, in, world, healthy(world)))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	want := encode(in)
	for _, procs := range []int{1, 2, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		shuffled := in
		shuffled.Cells = slices.Clone(in.Cells)
		random.Shuffle(len(in.Cells), func(i, j int) { shuffled.Cells[i], shuffled.Cells[j] = shuffled.Cells[j], shuffled.Cells[i] })
		if encode(shuffled) != want {
			t.Errorf("another order of cells on %d processors gives another ranking", procs)
		}
	}
	var stored rank.Inputs
	if err := json.Unmarshal(compute(t, in, world, healthy(world)).Inputs, &stored); err != nil {
		t.Fatal(err)
	}
	if encode(stored) != want {
		t.Error("the stored inputs give another ranking")
	}
	other := in
	other.Seed++
	if encode(other) == want {
		t.Error("another seed gives the same bytes: the test sees nothing")
	}
}

// TestIntervalCoversTheTruth draws worlds whose blocks share their luck and counts how often the interval holds the true quantile.
func TestIntervalCoversTheTruth(t *testing.T) {
	const worlds, truth = 200, 50.0
	world := topology()
	world.Vantages = world.Vantages[:1]
	random := rand.New(rand.NewPCG(3, 3))
	covered, width := 0, 0.0
	for w := range worlds {
		in := rank.NewInputs(world.Apps[0], "x", end.Add(time.Duration(w)*time.Second))
		c := cellOf(t, in, "frankfurt", "london/slim", "http", 0, nil)
		const within, between = 0.08, 0.03
		for b := range c.Blocks {
			luck := between * random.NormFloat64()
			z := 1.6449 * math.Sqrt(within*within+between*between)
			c.Blocks[b] = histogram(t, 50, func() float64 { return truth * math.Exp(luck+within*random.NormFloat64()-z) })
		}
		in.Cells = []rank.Cell{c}
		got := find(t, compute(t, in, world, rank.State{}), "frankfurt", "london/slim")
		if got.LowMS <= truth && truth <= got.HighMS {
			covered++
		}
		width += (got.HighMS - got.LowMS) / worlds
	}
	t.Logf("covered %d of %d, mean width %.2f ms of %v", covered, worlds, width, truth)
	if covered < worlds*90/100 {
		t.Errorf("%d of %d intervals hold the truth, want 95 %%", covered, worlds)
	}
	if width > truth/4 {
		t.Errorf("intervals are %.1f ms wide: they say nothing", width)
	}
}

func TestInputsStaySmall(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	world := topology()
	app := &world.Apps[0]
	app.Objective.Window = schemas.Duration(10 * time.Minute)
	in := rank.NewInputs(*app, world.Hash(), end)
	for _, vantage := range []string{"frankfurt", "london", "dallas", "tokyo", "madrid"} {
		for _, region := range []string{"frankfurt", "london", "dallas", "tokyo"} {
			for _, variant := range []string{"single", "slim"} {
				in.Cells = append(in.Cells, cellOf(t, in, vantage, region+"/"+variant, "http", 50, around(random, 100)))
				icmp := cellOf(t, in, vantage, region+"/"+variant, "icmp", 0, nil)
				icmp.Blocks = []rank.Histogram{histogram(t, 600, around(random, 50))}
				in.Cells = append(in.Cells, icmp)
			}
			in.Cells = append(in.Cells, cellOf(t, in, vantage, region+"/", "db_write", 50, around(random, 100)))
		}
	}
	started := time.Now()
	r := compute(t, in, world, healthy(world))
	t.Logf("%d bytes of inputs, computed in %s", len(r.Inputs), time.Since(started))
	if len(r.Inputs) > 100_000 {
		t.Errorf("8 candidates from 5 vantages take %d bytes", len(r.Inputs))
	}
}

func TestWindowIsCutIntoBlocks(t *testing.T) {
	for _, c := range []struct {
		window time.Duration
		block  time.Duration
		blocks int
	}{
		{10 * time.Second, 2500 * time.Millisecond, 4},
		{2 * time.Minute, 10 * time.Second, 12},
		{10 * time.Minute, 50 * time.Second, 12},
		{time.Hour, time.Minute, 60},
		{24 * time.Hour, 24 * time.Minute, 60},
	} {
		app := schemas.App{Name: "shop", Objective: schemas.Objective{Window: schemas.Duration(c.window)}}
		in := rank.NewInputs(app, "x", end)
		if got := time.Duration(in.BlockMS) * time.Millisecond; got != c.block || in.Blocks() != c.blocks {
			t.Errorf("%s: %d blocks of %s, want %d of %s", c.window, in.Blocks(), got, c.blocks, c.block)
		}
	}
}

func TestHistogramHasAShortFormThatIsReadBack(t *testing.T) {
	for _, c := range []struct {
		failures uint64
		bins     []int32
		counts   []uint64
		want     string
	}{
		{0, nil, nil, `[]`},
		{3, nil, nil, `[3]`},
		{0, []int32{412}, []uint64{7}, `[0,412,7]`},
		{2, []int32{415, 412, 413, 500}, []uint64{1, 3, 5, 9}, `[2,412,3,5,-1,1,-84,9]`},
	} {
		h, err := rank.NewHistogram(c.failures, c.bins, c.counts)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(h)
		if err != nil || string(data) != c.want {
			t.Errorf("%v: %s, %v; want %s", c.bins, data, err, c.want)
		}
		var back rank.Histogram
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, back); diff != "" {
			t.Error(diff)
		}
	}
	for _, bad := range []string{`[-1]`, `[0,-5,1]`, `[0,1024,1]`, `[0,1,-99999999999,1]`, `[0,1,1,-1023,1]`, `{}`, `[0.5]`} {
		var h rank.Histogram
		if err := json.Unmarshal([]byte(bad), &h); err == nil {
			t.Errorf("%s was read as %+v", bad, h)
		}
	}
}

func TestHistogramsAreReadBackAllAtOnce(t *testing.T) {
	for text, want := range map[string]rank.Histograms{
		"null": nil, "[]": nil, "[[]]": {{}}, "[ [3] ,\n[] ]": {{Failures: 3}, {}},
		"[[2,412,3,-1,1],[],[0,7,5]]": {{Failures: 2, First: 412, Counts: []uint64{3, 0, 1}}, {}, {First: 7, Counts: []uint64{5}}},
	} {
		var got rank.Histograms
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(text, diff)
		}
		data, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again rank.Histograms
		if err := json.Unmarshal(data, &again); err != nil || cmp.Diff(want, again) != "" {
			t.Errorf("%s: written as %s, read as %v, %v", text, data, again, err)
		}
	}
	for _, bad := range []string{`[1]`, `[[1],2]`, `[[[1]]]`, `["]"]`, `{}`, `[[0,1,1],[-1]]`} {
		var got rank.Histograms
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s was read as %+v", bad, got)
		}
	}
}

func TestStoredInputsThatDoNotFitAreRefused(t *testing.T) {
	world := topology()
	for name, spoil := range map[string]func(*rank.Inputs){
		"blocks": func(in *rank.Inputs) { in.Cells[0].Blocks = make([]rank.Histogram, in.Blocks()+1) },
		"window": func(in *rank.Inputs) { in.WindowMS = 0 },
		"bins":   func(in *rank.Inputs) { in.BinsPerOctave = 16 },
	} {
		in := inputs(t, world, map[string]func() float64{"london/slim": always(20)})
		spoil(&in)
		if _, err := rank.Compute(in, world.Apps[0], world, rank.State{}); err == nil {
			t.Errorf("%s: computed", name)
		}
	}
}

func TestPublishedOrderHoldsUntilTheRanksContradictIt(t *testing.T) {
	read := func(words string) (all []schemas.RankedCandidate) {
		for _, w := range strings.Fields(words) {
			place, name, _ := strings.Cut(w, ":")
			name, eligible := strings.CutSuffix(name, "!")
			c := schemas.RankedCandidate{Candidate: candidate(name), Eligible: eligible}
			_, _ = fmt.Sscan(place, &c.Rank)
			all = append(all, c)
		}
		return all
	}
	if !rank.Changed(schemas.Ranking{}, schemas.Order{Active: "a"}) {
		t.Error("the first order is no change")
	}
	for _, c := range []struct {
		published, current string
		want               bool
	}{
		{"1:a/x 2:b/x 3:c/x", "1:a/x 2:b/x 3:c/x", false},
		{"1:a/x 1:b/x 3:c/x", "1:b/x 1:a/x 3:c/x", false}, // within a tie
		{"1:a/x 1:b/x 3:c/x", "1:b/x 2:a/x 3:c/x", true},
		{"1:a/x 1:b/x 3:c/x", "1:a/x 2:b/x 3:c/x", false}, // the tie broke the way it was shown
		{"1:a/x 2:b/x", "1:a/x 2:c/x", true},
		{"1:a/x", "1:a/x 2:b/x", true},
		{"", "1:a/x", true},
		{"1:a/x 2:b/x!", "1:a/x 2:b/x", true}, // b/x is no longer eligible
		{"1:a/x! 1:b/x", "1:b/x 1:a/x!", false},
	} {
		before := schemas.Ranking{Orders: []schemas.Order{{Active: "z"}, {Active: "a", Candidates: read(c.published)}}}
		if got := rank.Changed(before, schemas.Order{Active: "a", Candidates: read(c.current)}); got != c.want {
			t.Errorf("%s then %s: %v, want %v", c.published, c.current, got, c.want)
		}
	}
}

func TestPackageTouchesNothingOutside(t *testing.T) {
	allowed := []string{"bytes", "cmp", "encoding/json", "errors", "fmt", "hash/fnv", "math", "math/rand/v2", "slices", "strconv", "strings", "time", "gonum.org/v1/gonum/floats", "gonum.org/v1/gonum/stat", "gonum.org/v1/gonum/stat/distuv",
		"github.com/leeward-failover/leeward/pkg/celgate", "github.com/leeward-failover/leeward/pkg/gate", "github.com/leeward-failover/leeward/schemas", "github.com/leeward-failover/leeward/services/ranker/internal/stability"}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if path := strings.Trim(i.Path.Value, `"`); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
		if source, _ := os.ReadFile(f.Name()); strings.Contains(string(source), "time.Now") {
			t.Errorf("%s reads the clock", f.Name())
		}
	}
}
