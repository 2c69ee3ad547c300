package advise_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/advise"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// The world of these tests: the primary database is in frankfurt. Clients near frankfurt, seen by two vantages, are the most; static is faster than slim.
func topology() schemas.Topology {
	app := schemas.App{
		Name: "shop", Mode: "auto", Variants: []schemas.Variant{{Name: "slim"}, {Name: "static"}}, PrimaryDatabase: "env:FRANKFURT",
		Probe:     schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(800 * time.Millisecond), DownAfter: 3},
		Objective: schemas.Objective{Kind: "http", Quantile: 0.5, Window: schemas.Duration(2 * time.Minute), WritesPerRequest: 1},
		Gates:     schemas.Gates{Jurisdictions: []string{"DE", "GB"}, RPO: schemas.Duration(2 * time.Second)},
		Failover:  schemas.Failover{Quorum: 0.5, MinVantages: 1},
	}
	var t schemas.Topology
	for _, r := range []schemas.Region{{Name: "frankfurt", Jurisdiction: "DE"}, {Name: "london", Jurisdiction: "GB"}, {Name: "tokyo", Jurisdiction: "JP"}} {
		t.Regions = append(t.Regions, r)
		database := "env:" + map[string]string{"frankfurt": "FRANKFURT", "london": "LONDON", "tokyo": "TOKYO"}[r.Name]
		for _, v := range app.Variants {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: r.Name, Variant: v.Name, HTTP: "http://x", Database: database})
		}
	}
	t.Vantages = []schemas.Vantage{{Name: "bonn"}, {Name: "frankfurt", Region: "frankfurt"}, {Name: "london", Region: "london"}}
	app.Gates.RPO = 0
	t.Apps = []schemas.App{app}
	return t
}

// latencies are in milliseconds, by vantage and region; a write goes to frankfurt.
var latencies = map[string]map[string]float64{
	"bonn":      {"frankfurt": 10, "london": 20, "tokyo": 200},
	"frankfurt": {"frankfurt": 10, "london": 20, "tokyo": 200},
	"london":    {"frankfurt": 21, "london": 9, "tokyo": 190},
}

// stored is a ranking made at a moment, as a change of the inputs has it.
func stored(t *testing.T, at time.Time, change func(*rank.Inputs)) schemas.Ranking {
	t.Helper()
	w := topology()
	in := rank.NewInputs(w.Apps[0], w.Hash(), at)
	for vantage, regions := range latencies {
		for region, ms := range regions {
			in.Cells = append(in.Cells, cell(t, in, vantage, schemas.Candidate{Region: region, Variant: "slim"}, "http", ms*1.5), cell(t, in, vantage, schemas.Candidate{Region: region, Variant: "static"}, "http", ms))
			write := 1.0
			if region != "frankfurt" {
				write = 15
			}
			if v, _ := w.Vantage(vantage); v.Region == region {
				in.Cells = append(in.Cells, cell(t, in, vantage, schemas.Candidate{Region: region}, "db_write", write))
			}
		}
	}
	if change != nil {
		change(&in)
	}
	computed, err := rank.Compute(in, w.Apps[0], w, healthy(w, at))
	if err != nil {
		t.Fatal(err)
	}
	r, err := computed.Stored()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func healthy(w schemas.Topology, at time.Time) (s rank.State) {
	for _, v := range w.Vantages {
		s.Presences = append(s.Presences, schemas.Presence{Vantage: v.Name, Sighted: true, At: at})
		for _, r := range w.Regions {
			s.Verdicts = append(s.Verdicts, schemas.Verdict{Vantage: v.Name, App: "shop", Region: r.Name, Health: schemas.Up, At: at, Since: at,
				Variants: []schemas.VariantHealth{{Variant: "slim", OK: true}, {Variant: "static", OK: true}}})
		}
	}
	return s
}

func cell(t *testing.T, in rank.Inputs, vantage string, c schemas.Candidate, kind string, ms float64) rank.Cell {
	t.Helper()
	h, err := rank.NewHistogram(0, []int32{int32(math.Floor(math.Log2(ms*1000) * rank.BinsPerOctave))}, []uint64{10})
	if err != nil {
		t.Fatal(err)
	}
	made := rank.Cell{Vantage: vantage, Candidate: c, Kind: kind, NewestMS: in.End.UnixMilli() - 1}
	for range in.Blocks() {
		made.Blocks = append(made.Blocks, h)
	}
	return made
}

func inputs(t *testing.T, n int, change func(*rank.Inputs)) (all []json.RawMessage) {
	t.Helper()
	for i := range n {
		all = append(all, stored(t, time.Date(2026, 3, 1, 12, i, 0, 0, time.UTC), change).Inputs)
	}
	return all
}

func of(t *testing.T, all []json.RawMessage) advise.Report {
	t.Helper()
	r, err := advise.Of(all)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVariantThatIsAlwaysSlowerIsDominated(t *testing.T) {
	got := map[string]advise.Dominated{}
	for _, d := range of(t, inputs(t, 3, nil)).Dominated {
		got[d.Candidate.String()] = d
	}
	slim := schemas.Candidate{Region: "frankfurt", Variant: "slim"}
	static := schemas.Candidate{Region: "frankfurt", Variant: "static"}
	if d := got[slim.String()]; d.By != static || d.Rankings != 3 || len(d.Regions) != 0 {
		t.Errorf("frankfurt/slim: %+v", d)
	}
	if d, ok := got[static.String()]; ok {
		t.Errorf("the best is dominated: %+v", d)
	}
	if d := got["london/slim"]; d.By != static || !cmp.Equal(d.Regions, []string{"frankfurt"}) {
		t.Errorf("london/slim: %+v", d)
	}
	if d, ok := got["tokyo/slim"]; ok {
		t.Errorf("a cost that is not known is dominated: %+v", d)
	}
	if d := of(t, inputs(t, 2, nil)).Dominated; len(d) != 0 {
		t.Errorf("two rankings show nothing, but %+v", d)
	}
}

func TestCandidateThatIsCheaperOnceIsNotDominated(t *testing.T) {
	once := stored(t, time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC), func(in *rank.Inputs) {
		for i, c := range in.Cells {
			if c.Candidate.String() == "frankfurt/slim" {
				in.Cells[i] = cell(t, *in, c.Vantage, c.Candidate, c.Kind, 5)
			}
		}
	})
	for _, d := range of(t, append(inputs(t, 3, nil), once.Inputs)).Dominated {
		if d.Candidate.String() == "frankfurt/slim" {
			t.Errorf("%+v", d)
		}
	}
}

func TestVantageThatSeesWhatAnotherSeesAddsNothing(t *testing.T) {
	got := map[string]advise.Vantage{}
	for _, v := range of(t, inputs(t, 3, nil)).Vantages {
		got[v.Name] = v
	}
	if v := got["bonn"]; v.Adds || v.Twin != "frankfurt" || v.Apart != 0 || v.Changed != 0 || v.Choices != 9 {
		t.Errorf("bonn: %+v", v)
	}
	if v := got["london"]; !v.Adds || v.Apart < 1 {
		t.Errorf("london: %+v", v)
	}
}

// TestPrimaryIsWhereWritesStayInside finds london no dearer for being far from the database it would then hold itself.
func TestPrimaryIsWhereWritesStayInside(t *testing.T) {
	r := of(t, inputs(t, 3, nil))
	if r.NoPrimaries != "" || len(r.Primaries) != 3 {
		t.Fatalf("%q, %+v", r.NoPrimaries, r.Primaries)
	}
	london := r.Primaries[1]
	if london.Region != "london" || math.Abs(london.CostMS-(49.0/3+1)) > 1 || london.Failovers != 1 || london.FailoverMS == 0 {
		t.Errorf("london: %+v", london)
	}
	// tokyo's law lets nobody move there, but it could be left.
	if tokyo := r.Primaries[2]; tokyo.Region != "tokyo" || tokyo.Failovers != 2 {
		t.Errorf("tokyo: %+v", tokyo)
	}
	nobody := inputs(t, 1, func(in *rank.Inputs) {
		for i, c := range in.Cells {
			if c.Kind == "db_write" && c.Region == "frankfurt" {
				in.Cells[i].Vantage = "bonn"
			}
		}
	})
	if r := of(t, nobody); r.NoPrimaries != "no vantage in frankfurt, where the primary database is, measures its writes" || len(r.Primaries) != 0 {
		t.Errorf("%q, %+v", r.NoPrimaries, r.Primaries)
	}
}
