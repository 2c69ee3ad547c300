package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

var update = flag.Bool("update", false, "fabricate testdata/matrix.csv again")

const fabricated = "testdata/matrix.csv"

// fabricate makes a matrix of six regions over 80 weeks: averages of 30 days, in whole milliseconds, of daily round trips that have noise, changes of route that
// stay, and on each link once in so many days a detour that lasts some.
func fabricate(seed uint64, detours float64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	regions := []string{"Alba", "Brig", "Cork", "Dover", "Elba", "Faro"}
	const weeks, days = 80, 80*7 + 30
	var out bytes.Buffer
	fmt.Fprintln(&out, "window_end,src,dst,avg_rtt_ms")
	daily := map[[2]int][]float64{}
	place := make([][2]float64, len(regions))
	for i := range place {
		place[i] = [2]float64{60 * random.Float64(), 60 * random.Float64()}
	}
	for i := range regions {
		for j := range i {
			level, detour, left := 10+1.5*math.Hypot(place[i][0]-place[j][0], place[i][1]-place[j][1]), 0.0, 0
			for range days {
				if random.Float64() < 1.0/150 {
					level = max(5, level+4*random.NormFloat64())
				}
				if left == 0 && random.Float64() < 1/detours {
					detour, left = 20*random.ExpFloat64(), 2+random.IntN(14)
				}
				ms := level + random.NormFloat64()
				if left > 0 {
					ms, left = ms+detour, left-1
				}
				daily[[2]int{i, j}] = append(daily[[2]int{i, j}], ms)
			}
		}
	}
	for w := range weeks {
		date := time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 7*w).Format(time.DateOnly)
		for i := range regions {
			for j := range regions {
				if i == j {
					continue
				}
				sum := 0.0
				for _, ms := range daily[[2]int{max(i, j), min(i, j)}][7*w : 7*w+30] {
					sum += ms
				}
				fmt.Fprintf(&out, "%s,%s,%s,%.0f\n", date, regions[i], regions[j], sum/30)
			}
		}
	}
	return out.Bytes()
}

func read(t testing.TB, data []byte) backtest.Matrix {
	t.Helper()
	m, err := backtest.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t testing.TB, m backtest.Matrix, o backtest.Options) backtest.Report {
	t.Helper()
	r, err := backtest.Run(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMatrixIsFabricated(t *testing.T) {
	want := fabricate(1, 300)
	if *update {
		if err := os.WriteFile(fabricated, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(fabricated)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what this test makes: run it with -update", fabricated)
	}
}

func TestRankerLosesNoMoreThanHoldingAndMovesNoMoreInVain(t *testing.T) {
	data, err := os.ReadFile(fabricated)
	if err != nil {
		t.Fatal(err)
	}
	for _, horizon := range []int{1, 5} {
		both := compared{}
		for seed := range uint64(3) {
			both.add(run(t, read(t, data), backtest.Options{Horizon: horizon, Mixes: 30, Seed: seed}))
		}
		both.judge(t, fmt.Sprintf("horizon %d", horizon))
		if want := 3 * 6 * 30 * (80 - 8 - horizon); both.ours.Decisions != want || both.holding.Decisions != want {
			t.Errorf("%d decisions, holding %d, want %d", both.ours.Decisions, both.holding.Decisions, want)
		}
	}
}

// compared sums the scores of several runs and of holding in them.
type compared struct {
	ours, holding backtest.Score
	runs, won     int
}

func (c *compared) add(r backtest.Report) {
	hold := r.Baselines["hold_1ms"]
	for _, s := range []struct{ to, from *backtest.Score }{{&c.ours, &r.Score}, {&c.holding, &hold}} {
		s.to.Decisions += s.from.Decisions
		s.to.MeanRegretMS += s.from.MeanRegretMS
		s.to.NeedlessChanges += s.from.NeedlessChanges
	}
	c.runs++
	if r.MeanRegretMS <= hold.MeanRegretMS && r.NeedlessChanges <= hold.NeedlessChanges {
		c.won++
	}
}

func (c *compared) judge(t *testing.T, where string) {
	t.Helper()
	n := float64(c.runs)
	said := fmt.Sprintf("%s: regret %.4f ms, holding %.4f; needless %d, holding %d; both no worse in %d of %d",
		where, c.ours.MeanRegretMS/n, c.holding.MeanRegretMS/n, c.ours.NeedlessChanges, c.holding.NeedlessChanges, c.won, c.runs)
	t.Log(said)
	if c.ours.MeanRegretMS > c.holding.MeanRegretMS || c.ours.NeedlessChanges > c.holding.NeedlessChanges {
		t.Error(said)
	}
}

func TestSameSeedGivesTheSameBytesOnAnyNumberOfProcessors(t *testing.T) {
	m := read(t, fabricate(2, 300))
	var lines []string
	for _, procs := range []int{1, 2, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		line, err := json.Marshal(run(t, m, backtest.Options{Horizon: 1, Mixes: 5, Seed: 7}))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	if lines[0] != lines[1] || lines[0] != lines[2] {
		t.Errorf("got %s", lines)
	}
	if other := run(t, m, backtest.Options{Horizon: 1, Mixes: 5, Seed: 8}); other.MeanRegretMS == run(t, m, backtest.Options{Horizon: 1, Mixes: 5, Seed: 7}).MeanRegretMS {
		t.Error("another seed draws the same mixes")
	}
}

// three is a matrix of three regions and twelve weeks in which a's round trip to b is 10 ms and to c is 20 ms, or what change says.
func three(change func(week int, src, dst string) string) string {
	var b strings.Builder
	fmt.Fprintln(&b, "window_end,src,dst,avg_rtt_ms")
	for w := range 12 {
		date := time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 7*w).Format(time.DateOnly)
		for _, p := range []string{"ab 10", "ac 20", "ba 10", "bc 15", "ca 20", "cb 15"} {
			ms := p[3:]
			if change != nil {
				if c := change(w, p[:1], p[1:2]); c != "" {
					ms = c
				}
			}
			if ms != "-" {
				fmt.Fprintf(&b, "%s,%s,%s,%s\n", date, p[:1], p[1:2], ms)
			}
		}
	}
	return b.String()
}

func TestWorldWithoutChangeCostsNothing(t *testing.T) {
	r := run(t, read(t, []byte(three(nil))), backtest.Options{Horizon: 1, Mixes: 10, Seed: 1})
	want := backtest.Score{Decisions: 3 * 10 * 3, Agreement: 1}
	if r.Score != want {
		t.Errorf("got %+v, want %+v", r.Score, want)
	}
	for name, s := range r.Baselines {
		if s != want {
			t.Errorf("%s: got %+v, want %+v", name, s, want)
		}
	}
}

func TestCandidateWithoutDataIsNotEligibleThatWeek(t *testing.T) {
	m := read(t, []byte(three(func(w int, src, dst string) string {
		if w == 9 && src == "a" && dst == "b" {
			return "-"
		}
		return ""
	})))
	if len(m.Regions) != 3 || !math.IsNaN(m.Weeks[9][0][1]) || m.Weeks[9][1][1] != 0 {
		t.Fatalf("got %+v", m)
	}
	r := run(t, m, backtest.Options{Horizon: 1, Mixes: 10, Seed: 1})
	if r.Changes == 0 || r.Baselines["hold_1ms"].Changes == 0 || r.Decisions >= 90 {
		t.Errorf("b was chosen in a week without data: %+v", r)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	for data, want := range map[string]string{
		"":                   "not a matrix",
		"a,b,c,d\n1,2,3,4\n": "not a matrix",
		"window_end,src,dst,avg_rtt_ms\n2025-01-01,a,b,fast\n":                                                    `line 2: "fast" is no round trip`,
		"window_end,src,dst,avg_rtt_ms\nsoon,a,b,1\n":                                                             `line 2: parsing time "soon"`,
		"window_end,src,dst,avg_rtt_ms\n2025-01-01,a,b,1\n":                                                       "fewer than three regions",
		"window_end,src,dst,avg_rtt_ms\n2025-01-01,a,b,1\n2025-01-01,b,a,1\n\n2025-01-01,a,b,2\n":                 "line 5: a to b in the week of 2025-01-01 stands in line 2 already: leave one of them out",
		"window_end,src,dst,avg_rtt_ms\n2025-01-15,a,b,1\n2025-01-08,a,b,1\n2025-01-29,a,b,1\n2025-01-29,b,a,1\n": "line 4: window_end 2025-01-29 comes 14 days after 2025-01-15, not 7: add what lies between, or cut the file there",
		"window_end,src,dst,avg_rtt_ms\n2025-01-01,a,b,1\n2025-01-02,a,b,1\n":                                     "line 3: window_end 2025-01-02 comes 1 days after 2025-01-01, not 7",
		"window_end,src,dst,avg_rtt_ms\n2025-01-01,a,b\n":                                                         "wrong number of fields",
	} {
		if _, err := backtest.Read(strings.NewReader(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", data, err, want)
		}
	}
	if _, err := backtest.Run(t.Context(), read(t, []byte(three(nil))), backtest.Options{Horizon: 4, Mixes: 1}); err == nil {
		t.Error("twelve weeks are enough for a horizon of four")
	}
	if _, err := backtest.Run(t.Context(), read(t, []byte(three(nil))), backtest.Options{Horizon: math.MaxInt, Mixes: 1}); err == nil {
		t.Error("twelve weeks are enough for any horizon")
	}
	told, stop := context.WithCancel(t.Context())
	stop()
	if _, err := backtest.Run(told, read(t, []byte(three(nil))), backtest.Options{Horizon: 1, Mixes: math.MaxInt}); !errors.Is(err, context.Canceled) {
		t.Errorf("a backtest that is told to end: %v", err)
	}
}

// One world proves little, and the ranker does not win in each. Together they must at any rate of detours, from where most leads last to where most pass.
func TestGoalHoldsOverManyWorlds(t *testing.T) {
	for _, detours := range []float64{120, 200, 300, 600} {
		for _, horizon := range []int{1, 5} {
			both := compared{}
			for world := range uint64(24) {
				both.add(run(t, read(t, fabricate(100+world, detours)), backtest.Options{Horizon: horizon, Mixes: 5, Seed: 1}))
			}
			both.judge(t, fmt.Sprintf("a detour every %.0f days, horizon %d", detours, horizon))
		}
	}
}
