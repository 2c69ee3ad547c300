package recorder_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

func TestTablesHoldWhatWasPublished(t *testing.T) {
	w := newWorld(t)
	secret := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(secret, []byte(w.engine.DSN()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(map[string]string{"LEEWARD_CLICKHOUSE_DSN": "file:" + secret})
	for name, check := range map[string]func(*world){
		"samples with their values": samplesLandWithTheirValues, "a ranking's row per candidate": rankingsLandARowPerCandidate, "events with their detail": eventsLandWithTheirDetail,
	} {
		t.Run(name, func(t *testing.T) {
			sub := *w
			sub.T = t
			check(&sub)
		})
	}
}

func samplesLandWithTheirValues(w *world) {
	t := w.T
	now := time.Now().UTC().Truncate(time.Millisecond)
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	for counter := range uint64(2) {
		if err := publish(t.Context(), prober, batch("tokyo", counter+1, 4, now)); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually(8, "SELECT toUInt64(sum(samples)) FROM samples_1m")

	type row struct {
		Due                                                          time.Time `ch:"due"`
		App, Kind, Vantage, Region, Variant, Home, Outcome, Topology string
		Latency, Late, DNS, Connect, TLS, Write, FirstByte, Transfer uint32
		Status, BatchRow                                             uint16
		Boot, Counter, Sequence                                      uint64
	}
	var got []row
	err := w.db.Select(t.Context(), &got, `SELECT due, app AS App, kind AS Kind, vantage AS Vantage, region AS Region, variant AS Variant, vantage_region AS Home,
		outcome AS Outcome, topology AS Topology, latency_us AS Latency, late_us AS Late, dns_us AS DNS, connect_us AS Connect, tls_us AS TLS, write_us AS Write,
		first_byte_us AS FirstByte, transfer_us AS Transfer, status AS Status, batch_row AS BatchRow, boot AS Boot, counter AS Counter, stream_sequence AS Sequence
		FROM samples WHERE counter = 2 ORDER BY batch_row`)
	if err != nil {
		t.Fatal(err)
	}
	ok := row{Due: now, App: "shop", Kind: "http", Vantage: "tokyo", Region: "frankfurt", Variant: "single", Home: "tokyo", Outcome: "ok", Topology: "t1",
		Latency: 2000, Late: 1, DNS: 2, Connect: 3, TLS: 4, Write: 5, FirstByte: 6, Transfer: 7, Status: 200, Boot: 1_790_000_000_000_000, Counter: 2, Sequence: 2}
	want := []row{ok, ok, ok, ok}
	for i := range want {
		want[i].Due, want[i].Latency, want[i].BatchRow = now.Add(time.Duration(i)*time.Millisecond), uint32(2000+i), uint16(i)
	}
	want[1].Region, want[1].Variant = "london", "slim"
	want[2].Region = "tokyo"
	want[3].Variant, want[3].Outcome, want[3].Status, want[3].FirstByte, want[3].Transfer = "slim", "timeout", 0, 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples, want - got +:\n%s", diff)
	}

	type minute struct {
		Samples, Failures uint64
		Median            float64
	}
	var rolled []minute
	if err := w.db.Select(t.Context(), &rolled, `SELECT sum(samples) AS Samples, sum(failures) AS Failures,
		round(quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(latency)[1], -2) AS Median FROM samples_1m`); err != nil {
		t.Fatal(err)
	}
	// Of the latencies that ended ok, 1000 to 1002 and 2000 to 2002, the third is the median.
	if diff := cmp.Diff([]minute{{8, 2, 1000}}, rolled); diff != "" {
		t.Errorf("rollup, want - got +:\n%s", diff)
	}
}

func rankingsLandARowPerCandidate(w *world) {
	t := w.T
	now := time.Now().UTC().Truncate(time.Millisecond)
	gates := []schemas.Gate{{Name: "healthy", Result: schemas.Pass, Evidence: "2 of 2 vantages"}, {Name: "distance", Result: schemas.Unknown, Evidence: "no location"}}
	ranking := schemas.Ranking{App: "shop", At: now, Topology: "t1", Quantile: 0.95, WindowSeconds: 600, Inputs: json.RawMessage(`{"seed":7}`), Digest: strings.Repeat("0f", 32), Orders: []schemas.Order{
		{Active: "frankfurt", Choice: schemas.Candidate{Region: "london", Variant: "slim"}, Raw: schemas.Candidate{Region: "tokyo", Variant: "slim"}, Warming: true, Reason: "tokyo/slim leads", Candidates: []schemas.RankedCandidate{
			{Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Rank: 2, Running: true, CostMS: 12.5, LowMS: 12, HighMS: 13, PBest: 0.25, RegretMS: 0.5, Doubt: "overlap", Enough: true, Samples: 600, Failures: 3, Gates: gates},
			{Candidate: schemas.Candidate{Region: "tokyo", Variant: "slim"}, Rank: 1, CostMS: 250, LowMS: 240, HighMS: 260, Censored: true, Samples: 2},
		}},
		{Active: "tokyo", Candidates: []schemas.RankedCandidate{
			{Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Rank: 1, Running: true, Eligible: true, Enough: true},
		}},
	}}
	subject, data, err := schemas.EncodeEvaluation(ranking)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bus.Connect(schemas.Ranker, "").PublishRaw(t.Context(), subject, "r1", data); err != nil {
		t.Fatal(err)
	}
	w.eventually(3, "SELECT count() FROM rankings")

	type row struct {
		At                                     time.Time
		App, Active, Region, Variant, Topology string
		Place, Rank                            uint16
		Choice, Raw, Warming                   bool
		Reason, Doubt, Digest                  string
		PBest, Regret                          float64
		Running, Eligible, Enough, Censored    bool
		Cost, Low, High, Quantile              float64
		Samples, Failures, Sequence            uint64
		Window                                 uint32
		Inputs                                 string
		Gates, Results, Evidence               []string
	}
	var got []row
	if err := w.db.Select(t.Context(), &got, "SELECT at AS At, app AS App, active AS Active, region AS Region, variant AS Variant, topology AS Topology, rank AS Rank,"+
		"place AS Place, choice AS Choice, raw_choice AS Raw, warming AS Warming, reason AS Reason, doubt AS Doubt, digest AS Digest, p_best AS PBest, regret_ms AS Regret,"+
		"running AS Running, eligible AS Eligible, enough AS Enough, censored AS Censored, cost_ms AS Cost, low_ms AS Low, high_ms AS High, quantile AS Quantile,"+
		"samples AS Samples, failures AS Failures, stream_sequence AS Sequence, window_seconds AS Window, inputs AS Inputs,"+
		"gates.name AS Gates, gates.result AS Results, gates.evidence AS Evidence FROM rankings ORDER BY active, place"); err != nil {
		t.Fatal(err)
	}
	common := row{At: now, App: "shop", Active: "frankfurt", Region: "london", Variant: "slim", Topology: "t1", Place: 1, Rank: 1, Quantile: 0.95, Window: 600, Sequence: 1,
		Gates: []string{}, Results: []string{}, Evidence: []string{}}
	first, second, third := common, common, common
	first.Inputs, first.Running, first.Enough, first.Cost, first.Low, first.High, first.Samples, first.Failures = `{"seed":7}`, true, true, 12.5, 12, 13, 600, 3
	first.Gates, first.Results, first.Evidence = []string{"healthy", "distance"}, []string{"pass", "unknown"}, []string{"2 of 2 vantages", "no location"}
	first.Rank, first.Choice, first.Digest, first.Doubt, first.PBest, first.Regret = 2, true, strings.Repeat("0f", 32), "overlap", 0.25, 0.5
	second.Region, second.Place, second.Cost, second.Low, second.High, second.Censored, second.Samples, second.Raw = "tokyo", 2, 250, 240, 260, true, 2, true
	first.Warming, second.Warming, first.Reason, second.Reason = true, true, "tokyo/slim leads", "tokyo/slim leads"
	third.Active, third.Running, third.Eligible, third.Enough = "tokyo", true, true, true
	if diff := cmp.Diff([]row{first, second, third}, got); diff != "" {
		t.Errorf("rankings, want - got +:\n%s", diff)
	}
}

func eventsLandWithTheirDetail(w *world) {
	t := w.T
	now := time.Now().UTC().Truncate(time.Millisecond)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	ctx := bus.WithTrace(t.Context(), "00-"+trace+"-b7ad6b7169203331-01")
	build := schemas.BuildFinished{Build: "b1", App: "shop", Variant: "slim", Trigger: "sha256:1", Outcome: "failed", Error: "RUN exited with 1", SizeBytes: 5,
		Layers: []schemas.BuildLayer{{}, {}}, Stages: []schemas.BuildStage{{Name: "build", Seconds: 1.5, Steps: 3, CachedSteps: 1}, {Name: "final", Seconds: 0.5, Steps: 2}},
		Seconds: 2.25, StartedAt: now.Add(-3 * time.Second), At: now}
	if err := bus.Publish(ctx, w.bus.Connect(schemas.Builder, ""), schemas.BuildFinishedTopic, build); err != nil {
		t.Fatal(err)
	}
	candidate := func(region string, chosen bool) schemas.PlanCandidate {
		return schemas.PlanCandidate{Chosen: chosen, RankedCandidate: schemas.RankedCandidate{Candidate: schemas.Candidate{Region: region, Variant: "slim"}, Rank: 1, CostMS: 10,
			LowMS: 9, HighMS: 11, Eligible: chosen, Gates: []schemas.Gate{{Name: "healthy", Result: schemas.Pass, Evidence: "seen"}}}}
	}
	plan := schemas.Plan{ID: "p1", App: "shop", Incident: "i1", Trigger: schemas.TriggerAlert, Reason: "frankfurt is down", Actor: "ann", From: schemas.Candidate{Region: "frankfurt", Variant: "slim"},
		To: schemas.Candidate{Region: "london", Variant: "slim"}, Epoch: schemas.Epoch{Term: 1, N: 2}, State: schemas.PlanPlanned, At: now,
		Candidates: []schemas.PlanCandidate{candidate("london", true), candidate("tokyo", false)}}
	refused := plan
	refused.ID, refused.State, refused.To, refused.Candidates = "p2", schemas.PlanRefused, schemas.Candidate{}, nil
	actuator := w.bus.Connect(schemas.Actuator, "")
	for _, p := range []schemas.Plan{plan, refused} {
		if err := bus.Publish(ctx, actuator, schemas.FailoverPlannedTopic, schemas.FailoverPlanned{Plan: p, At: now}); err != nil {
			t.Fatal(err)
		}
	}
	// A type that this release does not know, as a newer one may publish.
	if err := w.bus.Connect(schemas.Gateway, "").PublishRaw(t.Context(), "leeward.alert.received.v1.shop.new", "n1", []byte(`{"app":"shop","novelty":true}`)); err != nil {
		t.Fatal(err)
	}
	w.eventually(4, "SELECT count() FROM events")
	w.eventually(3, "SELECT count() FROM decisions")

	for query, want := range map[string]string{
		`SELECT type, id, source, trace_id, app, JSONExtractString(payload, 'build'), stream_sequence FROM events WHERE type LIKE '%build%'`: `["leeward.build.finished.v1","build:b1:failed:","leeward\/builder","` + trace + `","shop","b1",1]`,
		`SELECT type, id, subject, app, payload FROM events WHERE type LIKE '%alert%'`:                                                       `["leeward.alert.received.v1","n1","leeward.alert.received.v1.shop.new","shop","{\"app\":\"shop\",\"novelty\":true}"]`,
		`SELECT groupUniqArray(app), count() FROM events WHERE type = 'leeward.failover.planned.v1'`:                                         `[["shop"],2]`,
		`SELECT toUnixTimestamp64Milli(finished) - toUnixTimestamp64Milli(started), build, app, variant, trigger, outcome, error, digest, size_bytes, layers, seconds,
			stages.name, stages.seconds, stages.steps, stages.cached_steps, stream_sequence FROM builds`: `[3000,"b1","shop","slim","sha256:1","failed","RUN exited with 1","",5,2,2.25,["build","final"],[1.5,0.5],[3,2],[1,0],1]`,
		`SELECT plan, incident, trigger, state, reason, actor, epoch_term, epoch_n, from_region, from_variant, groupArray((region, variant, chosen, rank, eligible, cost_ms, gates.name, gates.result))
			FROM (SELECT * FROM decisions WHERE plan = 'p1' ORDER BY region) GROUP BY 1,2,3,4,5,6,7,8,9,10`: `["p1","i1","alert","planned","frankfurt is down","ann",1,2,"frankfurt","slim",[["london","slim",true,1,true,10,["healthy"],["pass"]],["tokyo","slim",false,1,false,10,["healthy"],["pass"]]]]`,
		`SELECT state, region, variant, chosen FROM decisions WHERE plan = 'p2'`: `["refused","","",false]`,
	} {
		if got := w.line(query + " SETTINGS output_format_json_quote_64bit_integers = 0"); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}
