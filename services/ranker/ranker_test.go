package ranker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// TestSamplesInClickHouseBecomeARanking follows samples from the table to the bucket, the event and the evaluation, through a ClickHouse that is away at the start and again later.
func TestSamplesInClickHouseBecomeARanking(t *testing.T) {
	topology := example(t)
	engine := chembedtest.StartEngine(t)
	db := chembedtest.Migrated(t, engine.DSN())
	engine.Kill()
	server := bustest.Start(t, "frankfurt", "london", "dallas", "tokyo", "madrid")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	apply(ctx, t, server, topology)
	service := start(t, server, engine.DSN())

	service.await(ctx, t, http.StatusServiceUnavailable, "samples of shop")
	engine.Restart()
	service.await(ctx, t, http.StatusOK, "ok")
	fill(ctx, t, db, topology)
	gateway := server.Connect(schemas.Gateway, "")
	mirror := bus.NewMirror(gateway, schemas.RankingBucket)
	running := sync.WaitGroup{}
	running.Go(func() { _ = mirror.Run(ctx) })
	defer running.Wait()
	defer cancel()
	ranking := awaitRanking(ctx, t, mirror, func(r schemas.Ranking) bool {
		return len(r.Orders) == 4 && len(r.Orders[0].Candidates) == 8 && r.Orders[0].Candidates[7].Enough
	})

	// The delays grow with the region's place in the file, so the order is known; single and slim of a region are alike.
	order := ranking.Orders[0]
	if order.Active != "frankfurt" || ranking.Topology != topology.Hash() || ranking.WindowSeconds != 120 {
		t.Errorf("ranking %s of topology %s over %d s", order.Active, ranking.Topology, ranking.WindowSeconds)
	}
	for i, c := range order.Candidates {
		region := topology.Regions[i/2]
		if c.Region != region.Name || c.Rank != i/2*2+1 || c.LowMS > c.CostMS || c.HighMS < c.CostMS || len(c.Gates) != 10 {
			t.Errorf("place %d: %+v", i, c)
		}
	}
	if got := gateOf(t, order.Candidates[2], "rtt"); got.Result != schemas.Pass || !strings.Contains(got.Evidence, "by icmp from frankfurt") {
		t.Errorf("rtt from frankfurt to london: %+v", got)
	}
	if got := gateOf(t, order.Candidates[2], "healthy"); got.Result != schemas.Unknown || order.Candidates[2].Eligible {
		t.Errorf("health without any vantage: %+v", got)
	}

	recorder := server.Connect(schemas.Recorder, "")
	stored := evaluation(ctx, t, recorder, ranking.At)
	digest := stored.Digest
	stored.Digest = ""
	// What is for people only, and what follows from the inputs, is not sent twice; the hash below is of all of it.
	unsent := cmp.Options{cmpopts.IgnoreFields(schemas.Ranking{}, "Requests", "Declared"), cmpopts.IgnoreFields(schemas.RankedCandidate{}, "Serve")}
	if diff := cmp.Diff(ranking, stored, unsent); diff != "" {
		t.Errorf("the evaluation is not the ranking in the bucket: %s", diff)
	}
	again, err := rank.Again(stored.Inputs)
	if err != nil {
		t.Fatal(err)
	}
	if hash, err := again.Hash(); err != nil || hash != digest {
		t.Errorf("computed again from the stored inputs it is %s, published %s: %v %s", hash, digest, err, cmp.Diff(ranking, again))
	}
	var in rank.Inputs
	if err := json.Unmarshal(stored.Inputs, &in); err != nil {
		t.Fatal(err)
	}
	if in.StreamSequence != sequence {
		t.Errorf("stream sequence %d, want %d", in.StreamSequence, sequence)
	}
	if event := changed(ctx, t, recorder, "tokyo", order.Candidates[0].Candidate); len(event.Order) != 8 || len(event.Eligible) != 0 {
		t.Errorf("event %+v", event)
	}

	engine.Kill()
	service.await(ctx, t, http.StatusServiceUnavailable, "samples of shop")
	last, _ := mirror.Get("shop")
	if len(last.Value.Orders) != 4 {
		t.Errorf("the last good ranking is gone: %+v", last.Value)
	}
	engine.Restart()
	service.await(ctx, t, http.StatusOK, "ok")
	awaitRanking(ctx, t, mirror, func(r schemas.Ranking) bool { return r.At.After(last.Value.At) })
	service.stop(t)
	// Ranked without samples, then with: one event each for four active regions, however often the ranking was refreshed.
	if state, err := recorder.State(ctx, schemas.Events); err != nil || state.Messages != 8 {
		t.Errorf("%d events, want 8: %v", state.Messages, err)
	}
	// Away at the start and once more: two changes for the worse, however often it was tried.
	if n := strings.Count(service.log.String(), "ranking not refreshed"); n != 2 {
		t.Errorf("%d lines say that the ranking is not refreshed, want 2:\n%s", n, service.log.String())
	}
}

func TestHealthyRegionsBecomeEligibleAndTheChangeIsTold(t *testing.T) {
	topology := example(t)
	topology.Apps[0].Probe.Interval = schemas.Duration(20 * time.Second) // so that the verdicts outlive the test
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	dsn := chembedtest.Start(t)
	server := alive(ctx, t, topology, chembedtest.Migrated(t, dsn))
	service := start(t, server, dsn)
	defer service.stop(t)
	recorder := server.Connect(schemas.Recorder, "")
	// Tokyo is under a law that is not allowed.
	want := []schemas.Candidate{{Region: "dallas", Variant: "single"}, {Region: "dallas", Variant: "slim"}, {Region: "frankfurt", Variant: "single"},
		{Region: "frankfurt", Variant: "slim"}, {Region: "london", Variant: "single"}, {Region: "london", Variant: "slim"}}
	if diff := cmp.Diff(want, changed(ctx, t, recorder, "frankfurt", schemas.Candidate{Region: "frankfurt"}).Eligible); diff != "" {
		t.Errorf("eligible when frankfurt is active: %s", diff)
	}
	service.await(ctx, t, http.StatusOK, "ok")
	metrics := service.get(t, "/metrics")
	for _, line := range []string{`leeward_ranker_candidates_eligible{active="frankfurt",app="shop"} 6`, `leeward_ranker_last_good_timestamp_seconds{app="shop"}`, "leeward_ranker_refresh_seconds_count"} {
		if !strings.Contains(metrics, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
}

// TestOrdersLoadsAndGatesOfOnesOwnReachTheRanking ranks by what stands in the buckets.
func TestOrdersLoadsAndGatesOfOnesOwnReachTheRanking(t *testing.T) {
	topology := example(t)
	app := &topology.Apps[0]
	app.Probe.Interval = schemas.Duration(20 * time.Second)
	app.Objective.Weights = schemas.ObservedWeights
	app.Gates.Headroom = 2
	app.Gates.Custom = []schemas.CustomGate{{Name: "own", Expr: "region.name != 'dallas'", Why: "too far"}}
	for i := range app.Endpoints {
		app.Endpoints[i].Capacity = 100
		if app.Endpoints[i].Variant == "slim" {
			app.Endpoints[i].Capacity = 50
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	dsn := chembedtest.Start(t)
	server := alive(ctx, t, topology, chembedtest.Migrated(t, dsn))
	load := schemas.Load{App: "shop", RequestsPerSecond: 40, At: time.Now(), Regions: []schemas.RegionRequests{{Region: "tokyo", Requests: 1000}}}
	if _, err := bus.Put(ctx, server.Connect(schemas.Actuator, ""), schemas.LoadBucket, load, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
	service := start(t, server, dsn)
	defer service.stop(t)
	gateway := server.Connect(schemas.Gateway, "")
	mirror := bus.NewMirror(gateway, schemas.RankingBucket)
	go func() { _ = mirror.Run(ctx) }()
	eligible := func(want ...schemas.Candidate) func(schemas.Ranking) bool {
		return func(r schemas.Ranking) bool {
			if len(r.Orders) == 0 {
				return false
			}
			got := rank.Eligible(r.Orders[0].Candidates)
			slices.SortFunc(got, schemas.Candidate.Compare)
			return slices.Equal(got, want)
		}
	}
	single := func(region string) schemas.Candidate {
		return schemas.Candidate{Region: region, Variant: "single"}
	}
	awaitRanking(ctx, t, mirror, eligible(single("frankfurt"), single("london")))
	ordered := schemas.Override{App: "shop", Region: "london", Kind: schemas.Exclude, Why: "disk trouble", Who: "anna", At: time.Now(), Until: time.Now().Add(time.Hour)}
	if _, err := bus.Put(ctx, gateway, schemas.OverrideBucket, ordered, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
	r := awaitRanking(ctx, t, mirror, eligible(single("frankfurt")))
	weights, err := rank.Weights(r.Inputs)
	if err != nil || len(weights) != 5 || math.Abs(weights[3].Weight-0.6) > 1e-9 || weights[3].Vantage != "tokyo" || len(r.Warnings) > 0 {
		t.Errorf("weights %+v, warnings %q, %v", weights, r.Warnings, err)
	}
}

// TestEveryTopologyIsRanked changes the topology under a ranker that never rests, so that a change always comes together with something else.
func TestEveryTopologyIsRanked(t *testing.T) {
	topology := example(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	dsn := chembedtest.Start(t)
	server := alive(ctx, t, topology, chembedtest.Migrated(t, dsn))
	service := startEvery(t, server, dsn, "1ms")
	defer service.stop(t)
	mirror := bus.NewMirror(server.Connect(schemas.Gateway, ""), schemas.RankingBucket)
	running := sync.WaitGroup{}
	running.Go(func() { _ = mirror.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for i := range 12 {
		topology.Apps[0].Gates.MinSamples = 20 + i
		apply(ctx, t, server, topology)
		awaitRanking(ctx, t, mirror, func(r schemas.Ranking) bool { return r.Topology == topology.Hash() })
	}
}

// TestRankingThatTellsNothingIsNotPublished ranks five times a second what stays as it is, until a person excludes a region.
func TestRankingThatTellsNothingIsNotPublished(t *testing.T) {
	topology := example(t)
	topology.Apps[0].Probe.Interval = schemas.Duration(20 * time.Second) // so that the verdicts outlive the test
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	dsn := chembedtest.Start(t)
	server := alive(ctx, t, topology, chembedtest.Migrated(t, dsn))
	service := start(t, server, dsn)
	defer service.stop(t)
	recorder := server.Connect(schemas.Recorder, "")
	changed(ctx, t, recorder, "frankfurt", schemas.Candidate{Region: "frankfurt"})
	published := func() uint64 {
		t.Helper()
		state, err := recorder.State(ctx, schemas.Evaluations)
		if err != nil {
			t.Fatal(err)
		}
		return state.Messages
	}
	time.Sleep(time.Second) // until it is no longer warming up
	before, refreshed := published(), service.refreshes(t)
	for service.refreshes(t) < refreshed+15 {
		time.Sleep(100 * time.Millisecond)
	}
	if n := published() - before; n > 3 {
		t.Errorf("%d rankings published of 15, want one or two: nothing changed but the luck of the samples", n)
	}
	ordered := schemas.Override{App: "shop", Region: "london", Kind: schemas.Exclude, Why: "disk trouble", Who: "anna", At: time.Now(), Until: time.Now().Add(time.Hour)}
	if _, err := bus.Put(ctx, server.Connect(schemas.Gateway, ""), schemas.OverrideBucket, ordered, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
	before = published()
	for published() == before {
		time.Sleep(50 * time.Millisecond)
	}
}

// TestLargeInputsAreLeftOutOfTheBucket ranks ten regions with four variants by an hour of ten vantages: more than a value of the bucket may have.
func TestLargeInputsAreLeftOutOfTheBucket(t *testing.T) {
	topology := example(t)
	app := &topology.Apps[0]
	app.Objective.Window, app.Objective.WritesPerRequest = schemas.Duration(time.Hour), 0
	app.Variants, app.Endpoints, topology.Regions, topology.Vantages = nil, nil, nil, nil
	var vantages []string
	for i := range 10 {
		name := fmt.Sprintf("region-%d", i)
		vantages = append(vantages, name)
		topology.Regions = append(topology.Regions, schemas.Region{Name: name, Jurisdiction: "DE", Location: schemas.Location{Latitude: 50, Longitude: float64(i)}})
		topology.Vantages = append(topology.Vantages, schemas.Vantage{Name: name, Region: name})
		for v := range 4 {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: name, Variant: fmt.Sprintf("variant-%d", v), HTTP: "http://10.88.1.1/"})
		}
	}
	for v := range 4 {
		app.Variants = append(app.Variants, schemas.Variant{Name: fmt.Sprintf("variant-%d", v), Target: "x"})
	}
	app.Start = schemas.Candidate{Region: "region-0", Variant: "variant-0"}
	dsn := chembedtest.Start(t)
	db := chembedtest.Migrated(t, dsn)
	server := bustest.Start(t, vantages...)
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	apply(ctx, t, server, topology)
	if err := db.Exec(ctx, `INSERT INTO samples (due, app, kind, vantage, vantage_region, region, variant, outcome, latency_us, stream_sequence)
SELECT now64(3) - INTERVAL intDiv(number, 400) * 10 SECOND, 'shop', 'http', concat('region-', toString(number % 10)) AS from, from, concat('region-', toString(intDiv(number, 10) % 10)),
	concat('variant-', toString(intDiv(number, 100) % 4)), 'ok', 20000 + cityHash64(number) % 20000, 1 FROM numbers(144000)`); err != nil {
		t.Fatal(err)
	}
	service := start(t, server, dsn)
	defer service.stop(t)
	mirror := bus.NewMirror(server.Connect(schemas.Gateway, ""), schemas.RankingBucket)
	running := sync.WaitGroup{}
	running.Go(func() { _ = mirror.Run(ctx) })
	defer running.Wait()
	defer cancel()
	r := awaitRanking(ctx, t, mirror, func(r schemas.Ranking) bool {
		return len(r.Orders) == 10 && len(r.Orders[0].Candidates) == 40 && r.Orders[0].Candidates[39].Enough
	})
	stored := evaluation(ctx, t, server.Connect(schemas.Recorder, ""), r.At)
	if len(r.Inputs) > 0 || len(stored.Inputs) < 500<<10 {
		t.Errorf("%d bytes of inputs in the bucket, want none; %d stored, want as many as an hour of 400 cells has", len(r.Inputs), len(stored.Inputs))
	}
	if again, err := rank.Again(stored.Inputs); err != nil || again.Orders[0].Candidates[0].Candidate != r.Orders[0].Candidates[0].Candidate {
		t.Errorf("computed again: %v", err)
	}
}

// refreshes is how often the service has ranked.
func (s *service) refreshes(t *testing.T) int {
	t.Helper()
	n := regexp.MustCompile(`leeward_ranker_refresh_seconds_count (\d+)`).FindStringSubmatch(s.get(t, "/metrics"))
	if n == nil {
		return 0
	}
	count, err := strconv.Atoi(n[1])
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func TestRankingOutlivesAnOutageOfItsSamplesUntilItIsTooOld(t *testing.T) {
	topology := example(t)
	topology.Apps[0].Failover.MaxRankingAge = schemas.Duration(6 * time.Second)
	dsn := chembedtest.Start(t)
	db := chembedtest.Migrated(t, dsn)
	server := bustest.Start(t, "frankfurt", "london", "dallas", "tokyo", "madrid")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	apply(ctx, t, server, topology)
	fill(ctx, t, db, topology)
	service := start(t, server, dsn)
	mirror := bus.NewMirror(server.Connect(schemas.Gateway, ""), schemas.RankingBucket)
	running := sync.WaitGroup{}
	running.Go(func() { _ = mirror.Run(ctx) })
	defer running.Wait()
	defer cancel()
	enough := func(r schemas.Ranking) bool { return len(r.Orders) == 4 && r.Orders[0].Candidates[0].Enough }
	awaitRanking(ctx, t, mirror, enough)
	// What a ranker holds stays with it; one that starts knows what is stored.
	service.stop(t)
	for _, table := range []string{"samples", "samples_1m"} {
		if err := db.Exec(ctx, "TRUNCATE TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	service = start(t, server, dsn)
	defer service.stop(t)
	service.await(ctx, t, http.StatusServiceUnavailable, "too few samples of every candidate")
	kept, _ := mirror.Get("shop")
	if !enough(kept.Value) {
		t.Error("the last good ranking is gone, want it kept")
	}
	empty := awaitRanking(ctx, t, mirror, func(r schemas.Ranking) bool { return len(r.Orders) == 4 && !enough(r) })
	if age := empty.At.Sub(kept.Value.At); age < 6*time.Second {
		t.Errorf("the last good ranking was kept for %s, want 6 s", age)
	}
}

func TestEveryMissingSettingIsNamed(t *testing.T) {
	proc := daemon.NewProcess("ranker", nil, func(name string) string {
		return map[string]string{"LEEWARD_RANK_INTERVAL": "soon", "LEEWARD_CLICKHOUSE_DSN": "http://leeward:secret@127.0.0.1:8123"}[name]
	}, io.Discard, io.Discard)
	err := ranker.Run(t.Context(), proc)
	if err == nil {
		t.Fatal("started without settings")
	}
	for _, want := range []string{"LEEWARD_NATS_URL: not set", "LEEWARD_NATS_SEED: not set", "LEEWARD_RANK_INTERVAL", "LEEWARD_CLICKHOUSE_DSN: a secret is a reference"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "secret@") {
		t.Error("the error shows the secret")
	}
}

func example(t *testing.T) schemas.Topology {
	t.Helper()
	file := "../../examples/leeward.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	topology, err := config.Parse(file, data)
	if err != nil {
		t.Fatal(err)
	}
	// A few hundred kilometres apart: fill measures alike from everywhere, and light has to get there in time.
	for i := range topology.Regions {
		topology.Regions[i].Location = schemas.Location{Latitude: 50, Longitude: 5 * float64(i)}
	}
	// Two variants tell as much as all of them.
	app := &topology.Apps[0]
	app.Variants = slices.DeleteFunc(app.Variants, func(v schemas.Variant) bool { return !few(v.Name) })
	app.Endpoints = slices.DeleteFunc(app.Endpoints, func(e schemas.Endpoint) bool { return !few(e.Variant) })
	return topology
}

func few(variant string) bool { return variant == "single" || variant == "slim" }

func apply(ctx context.Context, t *testing.T, server *bustest.Server, topology schemas.Topology) {
	t.Helper()
	b := server.Connect(schemas.Gateway, "")
	for _, part := range topology.Parts("test", time.Now()) {
		if _, err := bus.Put(ctx, b, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

// alive is a bus of a topology in which everything is up and measured.
func alive(ctx context.Context, t *testing.T, topology schemas.Topology, db *clickhouse.DB) *bustest.Server {
	t.Helper()
	var vantages []string
	for _, v := range topology.Vantages {
		vantages = append(vantages, v.Name)
	}
	server := bustest.Start(t, vantages...)
	apply(ctx, t, server, topology)
	fill(ctx, t, db, topology)
	see(ctx, t, server, topology)
	return server
}

// see makes every vantage say that everything is up, and the builder that every region holds its images.
func see(ctx context.Context, t *testing.T, server *bustest.Server, topology schemas.Topology) {
	t.Helper()
	now := time.Now()
	put := func(_ uint64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range topology.Vantages {
		b := server.Connect(schemas.Prober, v.Name)
		put(bus.Put(ctx, b, schemas.VantageBucket, schemas.Presence{Vantage: v.Name, Region: v.Region, Sighted: true, At: now}, bus.Condition{}))
		for _, r := range topology.Regions {
			put(bus.Put(ctx, b, schemas.VerdictBucket, schemas.Verdict{Vantage: v.Name, App: "shop", Region: r.Name, Health: schemas.Up, Since: now, At: now,
				Variants:    []schemas.VariantHealth{{Variant: "single", OK: true}, {Variant: "slim", OK: true}},
				Replication: &schemas.Replication{Acknowledged: schemas.Heartbeat{At: now, Token: 7, SeenAt: now}, Replayed: schemas.Heartbeat{At: now, Token: 7, SeenAt: now}}}, bus.Condition{}))
		}
	}
	builder := server.Connect(schemas.Builder, "")
	for _, c := range topology.Apps[0].Candidates(topology) {
		put(bus.Put(ctx, builder, schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: c.Variant, Region: c.Region, Parity: "verified", Since: now,
			Digest: "sha256:" + strings.Repeat("ab", 32), Reference: "x"}, bus.Condition{}))
	}
}

// sequence is the stream sequence of every sample that fill inserts.
const sequence = 4711

// fill inserts two minutes of samples, one a second in every cell: 20 ms for the first region of the file, 40 for the second, and so on.
func fill(ctx context.Context, t *testing.T, db *clickhouse.DB, topology schemas.Topology) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	var due []time.Time
	var app, kind, vantage, region, variant, of, outcome []string
	var latency []uint32
	var stream []uint64
	for _, v := range topology.Vantages {
		for _, e := range topology.Apps[0].Endpoints {
			for i, r := range topology.Regions {
				for _, k := range []string{"http", "icmp", "db_write"} {
					for second := range 150 {
						what, database := e.Variant, k == "db_write"
						if r.Name != e.Region || database && e.Variant != "slim" {
							continue
						}
						if database {
							what = ""
						}
						// A little ahead, so that the window stays full for the length of the test.
						due = append(due, now.Add(30*time.Second-time.Duration(second)*time.Second))
						app, kind, vantage, region, variant = append(app, "shop"), append(kind, k), append(vantage, v.Name), append(region, e.Region), append(variant, what)
						of, outcome, stream = append(of, v.Region), append(outcome, "ok"), append(stream, sequence)
						latency = append(latency, uint32(20_000*(i+1)+random.IntN(1000)))
					}
				}
			}
		}
	}
	if err := db.Insert(ctx, clickhouse.Block{Table: "samples", Token: "fill", Columns: []clickhouse.Column{
		{Name: "due", Values: due}, {Name: "app", Values: app}, {Name: "kind", Values: kind}, {Name: "vantage", Values: vantage}, {Name: "region", Values: region},
		{Name: "variant", Values: variant}, {Name: "vantage_region", Values: of}, {Name: "outcome", Values: outcome},
		{Name: "latency_us", Values: latency}, {Name: "stream_sequence", Values: stream},
	}}); err != nil {
		t.Fatal(err)
	}
}

// service is a ranker that runs inside the test.
type service struct {
	url    string
	log    *processtest.Output
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, server *bustest.Server, dsn string) *service {
	t.Helper()
	return startEvery(t, server, dsn, "200ms")
}

func startEvery(t *testing.T, server *bustest.Server, dsn, interval string) *service {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	settings := map[string]string{
		"LEEWARD_NATS_URL": server.URL(), "LEEWARD_NATS_SEED": server.Seed(schemas.Ranker, ""), "LEEWARD_CLICKHOUSE_DSN": "file:" + file,
		"LEEWARD_RANK_INTERVAL": interval, "LEEWARD_HEALTH_ADDR": addr,
	}
	s := &service{url: "http://" + addr, log: &processtest.Output{}, done: make(chan error, 1)}
	proc := daemon.NewProcess("ranker", nil, func(name string) string { return settings[name] }, io.Discard, s.log)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.done <- ranker.Run(ctx, proc) }()
	t.Cleanup(cancel)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// await polls /readyz until it answers with the status and text.
func (s *service) await(ctx context.Context, t *testing.T, status int, text string) {
	t.Helper()
	last := ""
	for ctx.Err() == nil {
		if answer, err := http.Get(s.url + "/readyz"); err == nil {
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			last = fmt.Sprint(answer.StatusCode, " ", string(body))
			if answer.StatusCode == status && strings.Contains(last, text) {
				return
			}
		}
		select {
		case err := <-s.done:
			t.Fatalf("the ranker ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("readyz never answered %d %q, last %s\n%s", status, text, last, s.log.String())
}

func (s *service) get(t *testing.T, path string) string {
	t.Helper()
	answer, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (s *service) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	select {
	case <-s.done:
	case <-time.After(15 * time.Second):
		t.Error("the ranker does not stop")
	}
}

func awaitRanking(ctx context.Context, t *testing.T, mirror *bus.Mirror[schemas.Ranking], good func(schemas.Ranking) bool) schemas.Ranking {
	t.Helper()
	for {
		changed := mirror.Changed()
		entry, _ := mirror.Get("shop")
		if good(entry.Value) {
			return entry.Value
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("no such ranking, last %+v", entry.Value)
		}
	}
}

// evaluation reads the stream until the ranking of that time.
func evaluation(ctx context.Context, t *testing.T, b *bus.Bus, at time.Time) (found schemas.Ranking) {
	t.Helper()
	done := fmt.Errorf("done")
	if err := b.Tail(ctx, schemas.Evaluations, 1, nil, func(m bus.Message) error {
		r, err := schemas.DecodeEvaluation(m.Subject, m.Data)
		if err != nil {
			return err
		}
		if found = r; r.At.Equal(at) {
			return done
		}
		return nil
	}); err != done {
		t.Fatalf("no evaluation of %s: %v", at, err)
	}
	return found
}

// changed reads events until the one for an active region in which a candidate is first.
func changed(ctx context.Context, t *testing.T, b *bus.Bus, active string, first schemas.Candidate) (found schemas.RankingChanged) {
	t.Helper()
	done := fmt.Errorf("done")
	if err := b.Tail(ctx, schemas.Events, 1, []string{schemas.RankingChangedTopic.Contract().Filter()}, func(m bus.Message) error {
		e, err := schemas.RankingChangedTopic.Decode(m.Subject, m.Data)
		if err != nil {
			return err
		}
		if found = e; e.Active == active && e.Order[0].Region == first.Region && len(e.Order) == 8 {
			return done
		}
		return nil
	}); err != done {
		t.Fatalf("no event for %s: %v", active, err)
	}
	return found
}

func gateOf(t *testing.T, c schemas.RankedCandidate, name string) schemas.Gate {
	t.Helper()
	for _, g := range c.Gates {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("%s has no gate %s", c.Candidate, name)
	return schemas.Gate{}
}
