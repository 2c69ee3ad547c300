package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/verdict"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	policy = verdict.Policy{DownAfter: 3, UpAfter: 2}
)

// look is what a letter stands for: g all variants answer, d one of two does, f none, b the vantage sees no anchor and no variant.
func look(letter rune, second int) verdict.Look {
	l := verdict.Look{At: noon.Add(time.Duration(second) * time.Second), Sighted: letter != 'b',
		Variants: []schemas.VariantHealth{{Variant: "single", OK: letter == 'g' || letter == 'd'}, {Variant: "slim", OK: letter == 'g'}}}
	for i := range l.Variants {
		if !l.Variants[i].OK {
			l.Variants[i].Error = "http: no answer in 800ms"
		}
	}
	return l
}

// letters writes a state as one letter: u up, g degraded, d down, b blind.
var letters = map[schemas.Health]string{schemas.Up: "u", schemas.Degraded: "g", schemas.Down: "d", schemas.Blind: "b"}

func TestRounds(t *testing.T) {
	for name, c := range map[string]struct{ rounds, want string }{
		"first up takes its rounds":                   {"ggg", "buu"},
		"first down takes its rounds":                 {"ffff", "bbdd"},
		"first degraded takes its rounds":             {"ddd", "bgg"},
		"two failed rounds are not down":              {"ggffgff", "buuuuuu"},
		"three are":                                   {"ggfff", "buuud"},
		"failed rounds count only in a row":           {"ggffgfff", "buuuuuud"},
		"down takes its good rounds to be up":         {"fffgfgg", "bbddddu"},
		"down comes back degraded":                    {"fffdd", "bbddg"},
		"degraded follows each round":                 {"ggdgd", "bugug"},
		"blind at once":                               {"ggb", "bub"},
		"blind while failing never becomes down":      {"ggffbbbb", "buuubbbb"},
		"blind while down withdraws the accusation":   {"fffb", "bbdb"},
		"sight again counts from nothing, up":         {"ggbgg", "bubbu"},
		"sight again counts from nothing, down":       {"ggffbffff", "buuubbbdd"},
		"failed rounds before blindness do not count": {"ffbff", "bbbbb"},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := verdict.Start(noon), ""
			for i, r := range c.rounds {
				s = s.Round(look(r, i), policy)
				got += letters[s.Health]
			}
			if want := c.want; got != want {
				t.Errorf("rounds %s are judged %s, want %s", c.rounds, got, want)
			}
			if s.Rounds != uint64(len(c.rounds)) {
				t.Errorf("%d rounds counted, want %d", s.Rounds, len(c.rounds))
			}
		})
	}
}

func TestSinceIsTheTimeOfTheChangeAndReasonSaysWhy(t *testing.T) {
	s := verdict.Start(noon)
	for i, r := range "ggffff" {
		s = s.Round(look(r, i), policy)
	}
	want := verdict.State{Health: schemas.Down, Since: noon.Add(4 * time.Second), Rounds: 6, Failed: 4, Reason: "4 failed in a row: single: http: no answer in 800ms"}
	if diff := cmp.Diff(want, s, cmpopts.IgnoreUnexported(verdict.State{})); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyANewAccusationIsOne(t *testing.T) {
	s := verdict.Start(noon)
	for i, want := range []bool{false, false, true, false} {
		l := look('f', i)
		if got := s.Accuses(l, policy); got != want {
			t.Errorf("round %d accuses: %v, want %v", i+1, got, want)
		}
		s = s.Round(l, policy)
	}
}

func TestLookOnRequestDecidesAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		look   rune
		doubts bool
		want   string
	}{
		"first sight, good":            {"", 'g', false, "u"},
		"first sight, failed":          {"", 'f', true, "d"},
		"up and good":                  {"gg", 'g', false, "u"},
		"up and degraded":              {"gg", 'd', false, "g"},
		"up and failed needs a second": {"gg", 'f', true, "d"},
		"failing and failed does not":  {"ggf", 'f', false, "d"},
		"down and failed does not":     {"fff", 'f', false, "d"},
		"down and good":                {"fff", 'g', false, "u"},
		"without anchors":              {"ggf", 'b', false, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := verdict.Start(noon)
			for i, r := range c.before {
				s = s.Round(look(r, i), policy)
			}
			l := look(c.look, 60)
			if got := s.Doubts(l); got != c.doubts {
				t.Errorf("doubts: %v, want %v", got, c.doubts)
			}
			rounds := s.Rounds
			s = s.Answer(l)
			if got := letters[s.Health]; got != c.want {
				t.Errorf("judged %s, want %s", got, c.want)
			}
			if s.Rounds != rounds {
				t.Errorf("a look counts as a round")
			}
		})
	}
}

func TestRoundsGoOnFromALook(t *testing.T) {
	s := verdict.Start(noon)
	for i, r := range "gg" {
		s = s.Round(look(r, i), policy)
	}
	s = s.Answer(look('f', 2))
	got := ""
	for i, r := range "fggf" {
		s = s.Round(look(r, 3+i), policy)
		got += letters[s.Health]
	}
	if want := "dduu"; got != want {
		t.Errorf("after a look that said down the rounds fggf are judged %s, want %s", got, want)
	}
}

// TestLookKeepsTheShortestConnect: one that failed says nothing about the network, and a kind that opens no connection has none.
func TestLookKeepsTheShortestConnect(t *testing.T) {
	reading := func(o schemas.Outcome, us uint32) verdict.Reading {
		return verdict.Reading{Sample: schemas.Sample{Variant: "slim", Outcome: o, ConnectUS: us}}
	}
	for want, readings := range map[uint32][]verdict.Reading{
		0:  {reading(schemas.OK, 0), reading(schemas.Refused, 7)},
		40: {reading(schemas.OK, 90), reading(schemas.OK, 40), reading(schemas.OK, 0), reading(schemas.TimedOut, 3)},
	} {
		if got := verdict.See(noon, true, readings).ConnectUS; got != want {
			t.Errorf("shortest connect of %v = %d, want %d", readings, got, want)
		}
	}
}

func TestLookPutsReadingsTogether(t *testing.T) {
	reading := func(variant string, kind schemas.Kind, o schemas.Outcome, us uint32, decides, shown bool) verdict.Reading {
		r := verdict.Reading{Sample: schemas.Sample{Variant: variant, Kind: kind, Outcome: o, LatencyUS: us}, Decides: decides, Shown: shown}
		if o != schemas.OK {
			r.Error = kind.String() + " " + o.String()
		}
		return r
	}
	got := verdict.See(noon, true, []verdict.Reading{
		reading("slim", schemas.KindHTTP, schemas.OK, 900, true, false),
		reading("slim", schemas.KindTCP, schemas.OK, 300, false, true),
		reading("single", schemas.KindHTTP, schemas.OK, 500, true, true),
		reading("tiny", schemas.KindHTTP, schemas.TimedOut, 800_000, true, true),
		reading("bare", schemas.KindHTTP, schemas.OK, 100, true, false),
		reading("bare", schemas.KindTCP, schemas.Refused, 10, false, true),
	})
	want := verdict.Look{At: noon, Sighted: true, LatencyUS: 300, Variants: []schemas.VariantHealth{
		{Variant: "bare", OK: true}, {Variant: "single", OK: true, LatencyUS: 500}, {Variant: "slim", OK: true, LatencyUS: 300}, {Variant: "tiny", Error: "http timeout"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestObjective judges rounds by their latency: g within the objective, s slower, f failed.
func TestObjective(t *testing.T) {
	p := verdict.Policy{DownAfter: 3, UpAfter: 2, MaxLatency: 250 * time.Millisecond, Quantile: 0.95}
	good := strings.Repeat("g", 20)
	for name, c := range map[string]struct{ rounds, want string }{
		"within the objective":                      {good, "u"},
		"one slow round is chance":                  {good + "s", "u"},
		"two are":                                   {good + "ss", "u"},
		"three of twenty are clear":                 {good + "sgsgs", "g"},
		"failures count as slow":                    {good + "fgfgf" + "g", "g"},
		"too few rounds say nothing":                {"ggsss", "u"},
		"degraded until the objective is met":       {good + "sss" + good[:18], "g"},
		"up again when it is":                       {good + "sss" + good[:19], "u"},
		"back from down it is degraded for a while": {good + "fff" + "gg", "g"},
		"blindness forgets":                         {good + "sssb" + "gg", "u"},
	} {
		s := verdict.Start(noon)
		for i, r := range c.rounds {
			l, latency := look(r, i), uint32(20_000)
			if r == 's' {
				l, latency = look('g', i), 251_000
			}
			l.LatencyUS = latency
			s = s.Round(l, p)
		}
		if got := letters[s.Health]; got != c.want {
			t.Errorf("%s: rounds %s end %s (%s), want %s", name, c.rounds, got, s.Reason, c.want)
		}
		if s.Health == schemas.Degraded && !strings.Contains(s.Reason, "of the last 20 rounds failed or took longer than 250ms; the objective allows 5 %") {
			t.Errorf("%s: the reason is %q", name, s.Reason)
		}
	}
}
