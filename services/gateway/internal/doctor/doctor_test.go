package doctor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/doctor"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func slim(region string) schemas.Candidate { return schemas.Candidate{Region: region, Variant: "slim"} }

// well is an installation that nothing is wrong with.
func well() doctor.Facts {
	app := schemas.App{
		Name: "shop", Mode: "auto", Start: slim("frankfurt"), Probe: schemas.Probe{Interval: schemas.Duration(time.Second)},
		Failover: schemas.Failover{Quorum: 0.5, MinVantages: 2, MaxRankingAge: schemas.Duration(time.Minute)},
	}
	f := doctor.Facts{
		Now: now, Up: now.Add(-time.Hour), Leases: map[string]schemas.Lease{"shop": {Of: "shop", Holder: "a/1"}}, Routes: map[string]schemas.Route{"shop": {App: "shop", Active: slim("frankfurt")}},
		Rankings: map[string]schemas.Ranking{}, Clocks: map[string]time.Duration{}, Inserted: map[string]schemas.InsertIntent{}, Registries: map[string]error{},
		Hooks: map[string]time.Time{"alertmanager": now.Add(-time.Minute)}, Servers: []string{"10.0.1.1:4222", "10.0.2.1:4222", "10.0.9.1:4222"},
	}
	for n, region := range []string{"frankfurt", "london", "tokyo"} {
		registry := fmt.Sprintf("http://10.0.%d.1:5000", n+1)
		f.Topology.Regions = append(f.Topology.Regions, schemas.Region{Name: region, Registry: registry})
		f.Topology.Vantages = append(f.Topology.Vantages, schemas.Vantage{Name: region, Region: region})
		f.Registries[registry] = nil
		f.Presences = append(f.Presences, schemas.Presence{Vantage: region, Sighted: true, Anchors: 3, AnchorsReachable: 3, At: now})
		f.Clocks[region] = -20 * time.Millisecond
		f.Verdicts = append(f.Verdicts, schemas.Verdict{Vantage: region, App: "shop", Region: "frankfurt", Health: schemas.Up, At: now, Since: now})
		f.Images = append(f.Images, schemas.ImageState{App: "shop", Variant: "slim", Region: region, Parity: "verified"})
		app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: "slim", TCP: fmt.Sprintf("10.0.%d.1:8080", n+1)})
	}
	f.Topology.Apps = []schemas.App{app}
	rank(&f)
	for _, c := range schemas.Streams() {
		f.Streams = append(f.Streams, doctor.Stream{Contract: c, Last: 100, Incarnation: "i", Replicas: 3})
		f.Inserted[c.Name] = schemas.InsertIntent{Incarnation: "i", Last: 100, At: now.Add(-time.Hour)}
	}
	f.Streams[4].Messages, f.Streams[3].Last = 0, 0
	return f
}

// rank ranks the app for its topology as it is: london and tokyo pass every gate.
func rank(f *doctor.Facts) {
	r := schemas.Ranking{App: "shop", At: now.Add(-time.Second), Topology: f.Topology.Hash(), Orders: []schemas.Order{{Active: "frankfurt"}}}
	for _, region := range []string{"frankfurt", "london", "tokyo"} {
		r.Orders[0].Candidates = append(r.Orders[0].Candidates, schemas.RankedCandidate{Candidate: slim(region), Eligible: region != "frankfurt", Gates: []schemas.Gate{{Name: "distance", Result: schemas.Pass}}})
	}
	f.Rankings["shop"] = r
}

// shut fails a gate of candidates.
func shut(f *doctor.Facts, gate string, regions ...string) {
	for i := range f.Rankings["shop"].Orders[0].Candidates {
		if c := &f.Rankings["shop"].Orders[0].Candidates[i]; slices.Contains(regions, c.Region) {
			c.Eligible, c.Gates = false, []schemas.Gate{{Name: gate, Result: schemas.Fail, Evidence: "for the test"}}
		}
	}
}

func TestNothingIsSaidOfWhatIsWell(t *testing.T) {
	for _, f := range doctor.Examine(well()) {
		if f.Level != doctor.OK || f.Advice != "" || f.Evidence == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestEachTroubleIsNamedWithWhatToDo(t *testing.T) {
	app := func(f *doctor.Facts) *schemas.App { return &f.Topology.Apps[0] }
	for name, c := range map[string]struct {
		spoil      func(*doctor.Facts)
		level      doctor.Level
		what, says string
	}{
		"no topology":    {func(f *doctor.Facts) { f.Topology = schemas.Topology{} }, doctor.Fail, "topology", "none has been applied"},
		"bus away":       {func(f *doctor.Facts) { f.Streams[0].Err = errors.New("no answer") }, doctor.Fail, "stream SAMPLES", "no answer"},
		"stream filling": {func(f *doctor.Facts) { f.Streams[0].Bytes = 6 << 30 }, doctor.Warn, "stream SAMPLES", "(75 %)"},
		"stream full":    {func(f *doctor.Facts) { f.Streams[3].Bytes = 4 << 30 }, doctor.Fail, "stream EVENTS", "(100 %)"},
		"dead letters":   {func(f *doctor.Facts) { f.Streams[4].Messages, f.Letter = 2, "no such field" }, doctor.Warn, "stream DLQ", "2 dead letters; the newest: no such field"},
		"one node": {func(f *doctor.Facts) {
			for i := range f.Streams {
				f.Streams[i].Replicas = 1
			}
		}, doctor.Warn, "bus", "one copy of every stream"},
		"quorum with primary": {func(f *doctor.Facts) { f.Servers[2] = "10.0.1.1:4223" }, doctor.Warn, "bus", "2 of 3 NATS nodes are in frankfurt, where the traffic of shop is"},
		"recorder behind":     {func(f *doctor.Facts) { f.Streams[0].Last = 150 }, doctor.Fail, "recorder of SAMPLES", "50 messages behind, last block 1h0m0s ago"},
		"partition stalled": {func(f *doctor.Facts) {
			f.Streams[0].Last, f.Streams[0].Stalled = 150, []string{"samples-1, which no recorder holds"}
		}, doctor.Fail, "recorder of SAMPLES", "stalled: samples-1, which no recorder holds"},
		"another stream": {func(f *doctor.Facts) { f.Streams[0].Incarnation = "j" }, doctor.Fail, "recorder of SAMPLES", "100 messages behind"},
		"registry away":  {func(f *doctor.Facts) { f.Registries["http://10.0.2.1:5000"] = errors.New("refused") }, doctor.Fail, "registry http://10.0.2.1:5000 of london", "refused"},
		"no webhook":     {func(f *doctor.Facts) { f.Hooks = nil }, doctor.Warn, "webhooks", "all are refused"},
		"silent webhook": {func(f *doctor.Facts) { f.Hooks["github"] = time.Time{} }, doctor.Warn, "webhook github", "none accepted since the gateway started 1h0m0s ago"},
		"vantage gone":   {func(f *doctor.Facts) { f.Presences = f.Presences[1:] }, doctor.Fail, "vantage frankfurt", "not there"},
		"vantage silent": {func(f *doctor.Facts) { f.Presences[1].At = now.Add(-time.Minute) }, doctor.Fail, "vantage london", "not there"},
		"vantage blind":  {func(f *doctor.Facts) { f.Presences[0].Sighted, f.Presences[0].AnchorsReachable = false, 1 }, doctor.Warn, "vantage frankfurt", "reaches 1 of 3 anchors"},
		"clock ahead":    {func(f *doctor.Facts) { f.Clocks["tokyo"] = time.Second }, doctor.Warn, "vantage tokyo", "clock within 1s"},
		"clock behind":   {func(f *doctor.Facts) { f.Clocks["tokyo"] = -3 * time.Second }, doctor.Warn, "vantage tokyo", "clock within 3s"},
		"one vantage":    {func(f *doctor.Facts) { f.Topology.Vantages = f.Topology.Vantages[:1] }, doctor.Warn, "vantages", "there is one"},
		"vantages together": {func(f *doctor.Facts) {
			for i := range f.Topology.Vantages {
				f.Topology.Vantages[i].Region = "london"
			}
		}, doctor.Warn, "vantages", "all 3 are in the same region"},
		"no actuator": {func(f *doctor.Facts) { f.Leases = nil }, doctor.Fail, "app shop", "no failover-actuator stands over it"},
		"no route":    {func(f *doctor.Facts) { f.Routes = nil }, doctor.Fail, "app shop", "it has no route"},
		"active is down": {func(f *doctor.Facts) {
			for i := range f.Verdicts {
				f.Verdicts[i].Health = schemas.Down
			}
		}, doctor.Fail, "app shop", "3 of 3 sighted vantages say down"},
		"one says down":       {func(f *doctor.Facts) { f.Verdicts[0].Health = schemas.Down }, doctor.Warn, "app shop", "1 of 3 sighted vantages say down"},
		"nobody sees":         {func(f *doctor.Facts) { f.Verdicts = nil }, doctor.Fail, "app shop", "0 vantages are sighted and 2 are needed"},
		"quorum out of reach": {func(f *doctor.Facts) { app(f).Failover.MinVantages = 4; rank(f) }, doctor.Fail, "app shop", "min_vantages is 4, and there are 3"},
		"not ranked":          {func(f *doctor.Facts) { f.Rankings = nil }, doctor.Fail, "app shop", "it is not ranked"},
		"ranking stale": {func(f *doctor.Facts) {
			r := f.Rankings["shop"]
			r.At = now.Add(-2 * time.Minute)
			f.Rankings["shop"] = r
		}, doctor.Fail, "app shop", "its ranking is 2m0s old, more than 1m0s"},
		"ranked for another": {func(f *doctor.Facts) { app(f).Team = "x" }, doctor.Fail, "app shop", "another topology"},
		"nowhere to go":      {func(f *doctor.Facts) { shut(f, "distance", "london", "tokyo") }, doctor.Fail, "app shop", "there is nowhere to go: london/slim distance: for the test"},
		"nowhere, observed":  {func(f *doctor.Facts) { app(f).Mode = "observe"; rank(f); shut(f, "distance", "london", "tokyo") }, doctor.Warn, "app shop", "there is nowhere to go"},
		"one place to go":    {func(f *doctor.Facts) { shut(f, "distance", "tokyo") }, doctor.Warn, "app shop", "there is one place to go: london/slim"},
		"database behind":    {func(f *doctor.Facts) { shut(f, "replication", "tokyo") }, doctor.Warn, "app shop", "database in tokyo: for the test"},
		"image missing":      {func(f *doctor.Facts) { f.Images[1].Parity, f.Images[1].Error = "failed", "no route to host" }, doctor.Warn, "app shop", "london does not hold slim: failed no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			c.spoil(&f)
			findings := doctor.Examine(f)
			if !slices.ContainsFunc(findings, func(f doctor.Finding) bool {
				return f.Level == c.level && f.What == c.what && strings.Contains(f.Evidence, c.says) && f.Advice != ""
			}) {
				t.Errorf("no %s of %s that says %q, with advice, in %+v", c.level, c.what, c.says, findings)
			}
		})
	}
}

func TestRecorderThatIsAtWorkIsNotBehind(t *testing.T) {
	f := well()
	f.Streams[0].Last = 150
	f.Inserted[schemas.Samples] = schemas.InsertIntent{Incarnation: "i", Last: 100, At: now.Add(-time.Second)}
	for _, finding := range doctor.Examine(f) {
		if finding.Level != doctor.OK {
			t.Errorf("%+v", finding)
		}
	}
}
