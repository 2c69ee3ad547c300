package rank_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/history"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// past is what the shore published: half an hour in which london is a little faster than tokyo, but for one answer in ten, and then is lost.
func past(t *testing.T) (s *shore, stored []history.Stored, published []map[string]schemas.Candidate) {
	t.Helper()
	s = newShore()
	s.world.Apps[0].Gates.MinDistanceKM = 300
	i := 0
	tailed := func() float64 {
		if i++; i%10 == 0 {
			return 90
		}
		return 58
	}
	costs := map[string]func() float64{"london/slim": tailed, "tokyo/slim": always(60), "frankfurt/slim": always(10)}
	for n := range 180 {
		if n == 120 {
			for i, v := range s.state.Verdicts {
				if v.Region == "london" {
					s.state.Verdicts[i].Health = schemas.Down
				}
			}
		}
		s.step(t, costs)
		r := s.state.Previous
		choices := map[string]schemas.Candidate{}
		for _, o := range r.Orders {
			choices[o.Active] = o.Choice
		}
		stored = append(stored, history.Stored{App: r.App, At: r.At, Inputs: r.Inputs})
		published = append(published, choices)
	}
	return s, stored, published
}

func TestReplayFindsWhatAnotherPolicyWouldHaveChosen(t *testing.T) {
	s, stored, published := past(t)
	decided := func() []history.Failover {
		tokyo := candidate("tokyo/slim")
		return []history.Failover{
			{Plan: "p0", At: stored[0].At.Add(-time.Minute), From: candidate("frankfurt/slim"), To: tokyo},
			{Plan: "p1", At: stored[100].At.Add(time.Second), From: candidate("frankfurt/slim"), To: tokyo},
			{Plan: "p2", At: stored[179].At.Add(time.Second), From: candidate("frankfurt/slim"), To: tokyo},
		}
	}
	for name, c := range map[string]struct {
		change func(*schemas.App)
		want   string
	}{
		"the same policy":    {func(*schemas.App) {}, ""},
		"the median instead": {func(a *schemas.App) { a.Objective.Quantile = 0.5 }, "frankfurt 12:00:30-12:20:00 118 tokyo/slim>london/slim; p1 tokyo/slim>london/slim"},
		"only far away": {func(a *schemas.App) { a.Gates.MinDistanceKM = 20_000 },
			"frankfurt 12:00:30-12:30:00 178 tokyo/slim>/; london 12:00:30-12:30:00 178 frankfurt/slim>/; tokyo 12:00:30-12:30:00 178 frankfurt/slim>/; p1 tokyo/slim>/; p2 tokyo/slim>/"},
	} {
		t.Run(name, func(t *testing.T) {
			app := s.world.Apps[0]
			c.change(&app)
			replay := history.NewReplay(app, decided())
			for i := range stored {
				if err := replay.Next(stored[i], published[i]); err != nil {
					t.Fatal(err)
				}
			}
			r := replay.Report()
			var words []string
			for _, d := range r.Differences {
				words = append(words, fmt.Sprintf("%s %s-%s %d %s>%s", d.Active, d.From.Format(time.TimeOnly), d.To.Format(time.TimeOnly), d.Rankings, d.Published, d.Instead))
			}
			for _, f := range r.Failovers {
				words = append(words, fmt.Sprintf("%s %s>%s", f.Plan, f.To, f.Instead))
			}
			if got := strings.Join(words, "; "); got != c.want || r.Rankings != 180 || r.Decided != 3 {
				t.Errorf("%d rankings, %d failovers: %s\nwant %s", r.Rankings, r.Decided, got, c.want)
			}
		})
	}
}

func TestReplayRefusesWhatIsNotStored(t *testing.T) {
	s := newShore()
	s.step(t, map[string]func() float64{"london/slim": always(20), "tokyo/slim": always(60)})
	for want, change := range map[string]func(*schemas.App){
		"shop.objective.window: 10m0s, but what is stored are samples of 2m0s":      func(a *schemas.App) { a.Objective.Window = schemas.Duration(10 * time.Minute) },
		"shop.probe.timeout: 2s, but what is stored was given up after 800ms":       func(a *schemas.App) { a.Probe.Timeout = schemas.Duration(2 * time.Second) },
		"shop.objective.kind: tcp, but what is stored block by block is http":       func(a *schemas.App) { a.Objective.Kind = "tcp" },
		"shop.gates.max_rtt: 100ms, but no round trips are stored":                  func(a *schemas.App) { a.Gates.MaxRTT = schemas.Duration(100 * time.Millisecond) },
		"shop.objective.weights: observed, but no requests by region are stored":    func(a *schemas.App) { a.Objective.Weights = schemas.ObservedWeights },
		"shop.gates.headroom: 1.2, but no load is stored":                           func(a *schemas.App) { a.Gates.Headroom = 1.2 },
		"shop.objective.writes_per_request: 0.5, but no database writes are stored": func(a *schemas.App) { a.Objective.WritesPerRequest = 0.5 },
	} {
		app := s.world.Apps[0]
		change(&app)
		if strings.Contains(want, "writes") {
			stored := strings.Replace(string(s.state.Previous.Inputs), `"endpoints":[{`, `"primary_database":"env:PRIMARY","endpoints":[{`, 1)
			s.state.Previous.Inputs = []byte(stored)
		}
		if _, err := rank.Replay(s.state.Previous.Inputs, app, schemas.Ranking{}); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if _, err := rank.Again([]byte(`{"app":"shop","from_the_future":1}`)); err == nil || !strings.Contains(err.Error(), `unknown field "from_the_future"`) {
		t.Errorf("inputs with an unknown field: %v", err)
	}
}
