package schemas_test

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// at is n seconds after the moment the golden values begin.
func at(n int) time.Time {
	return time.Date(2026, 11, 20, 23, 57, n, 266267341, time.UTC)
}

const (
	digest      = "sha256:5bc0f2188458b610386f1b1956ba714fc9b8e0947549c83096e6f64b00bcec7f"
	commit      = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
	otherDigest = "sha256:61b2bef9103a17053f683e170bd705c1a6e47b563a8a67947a5cd17bded087c0"
)

var (
	frankfurt = schemas.Candidate{Region: "frankfurt", Variant: "slim"}
	london    = schemas.Candidate{Region: "london", Variant: "single"}
)

// goldens are the values whose wire forms testdata keeps.
func goldens() []golden {
	return append(append(events(), entries()...), batches()...)
}

func events() []golden {
	return []golden{
		event(schemas.ImagePushedTopic, schemas.ImagePushed{
			Source: "distribution", Delivery: "32cf1666-68c2-457d-9c37-34d8c9c87e2c", Registry: "10.88.0.1:5000", Repository: "base/node", Tag: "20.20.2-bookworm",
			Digest: digest, Verified: "bearer", BodySHA256: digest[7:], At: at(0)}),
		event(schemas.SourcePushedTopic, schemas.SourcePushed{
			Source: "github", Delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Repository: "https://github.com/acme/shop.git", Branch: "main",
			Commit: commit, Verified: "hmac", BodySHA256: digest[7:], At: at(0)}),
		event(schemas.AlertReceivedTopic, schemas.AlertReceived{
			Source: "alertmanager", Fingerprint: "89d0919c20edb05c", Status: "resolved", Name: "RegionDown", Labels: map[string]string{"region": "frankfurt", "app": "shop"},
			Annotations: map[string]string{"summary": "no answer for <30s> & counting"}, StartsAt: at(0), EndsAt: at(5), App: "shop", Region: "frankfurt", Verified: "bearer", At: at(6)}),
		event(schemas.AlertReceivedTopic, schemas.AlertReceived{
			Source: "datadog", Fingerprint: "7716548234011234567", Firing: "7716548234011234567:Warn", Status: "firing", Name: "Checkout is slow", Labels: map[string]string{"region": "frankfurt"},
			StartsAt: at(0), App: "shop", Region: "frankfurt", Verified: "bearer", At: at(6)}).variant(".firing"),
		event(schemas.TopologyChangedTopic, schemas.TopologyChanged{Hash: "0011223344556677", Previous: "8899aabbccddeeff", Actor: "api", At: at(0)}),
		event(schemas.FailoverRequestedTopic, schemas.FailoverRequested{Request: "back-1", App: "shop", To: frankfurt, Actor: "ada", Reason: "the region is back", Force: true, DryRun: true, Lost: "tokyo", At: at(0)}),
		event(schemas.BuildFinishedTopic, build()),
		event(schemas.ImageReplicatedTopic, schemas.ImageReplicated{
			App: "shop", Variant: "slim", Region: "tokyo", Build: "b1", Digest: digest, Outcome: "failed", Error: "no route to host", Attempt: 2, Seconds: 3.5, At: at(0)}),
		event(schemas.HealthChangedTopic, schemas.HealthChanged{
			Vantage: "london", App: "shop", Region: "frankfurt", From: schemas.Up, To: schemas.Down, Round: 812, Reason: "3 rounds without an answer", Topology: "0011223344556677", At: at(0)}),
		event(schemas.RankingChangedTopic, schemas.RankingChanged{
			App: "shop", Active: "frankfurt", Order: []schemas.Candidate{frankfurt, london}, Eligible: []schemas.Candidate{london}, Topology: "0011223344556677", At: at(0)}),
		chosen(schemas.RankingChanged{
			App: "shop", Active: "frankfurt", Order: []schemas.Candidate{frankfurt, london}, Eligible: []schemas.Candidate{london}, Choice: london,
			Reason: "frankfurt/slim is no longer eligible", Topology: "0011223344556677", At: at(0)}),
		event(schemas.AnomalyDetectedTopic, anomaly()),
		event(schemas.ProbeRequestedTopic, schemas.ProbeRequested{Incident: "i1", App: "shop", Region: "frankfurt", Reason: "alert RegionDown", At: at(0)}),
		event(schemas.FailoverPlannedTopic, schemas.FailoverPlanned{Plan: plan(), At: at(3)}),
		event(schemas.FailoverSteppedTopic, schemas.FailoverStepped{App: "shop", Plan: "p1", Step: plan().Journal[0], Number: 1, Epoch: schemas.Epoch{Term: 1, N: 7}, At: at(4)}),
		event(schemas.DrillFinishedTopic, schemas.DrillFinished{
			App: "shop", Drill: "d1", Plan: "p1", Actor: "anna", From: frankfurt, To: schemas.Candidate{Region: "london", Variant: "slim"}, Passed: true, Reason: "moved",
			ShiftSeconds: 0.25, FailedRequests: 3, At: at(0)}),
		event(schemas.FailoverFinishedTopic, schemas.FailoverFinished{
			App: "shop", Plan: "p1", Epoch: schemas.Epoch{Term: 1, N: 7}, Trigger: schemas.TriggerAlert, From: frankfurt, To: london,
			State: schemas.PlanRolledBack, Reason: "the new region did not answer", Times: plan().Times, At: at(9)}),
	}
}

func build() schemas.BuildFinished {
	return schemas.BuildFinished{
		Build: "b1", App: "shop", Variant: "slim", Trigger: digest, Outcome: "succeeded", Error: "kept from an earlier try", Digest: otherDigest, Reference: "10.88.0.1:5000/shop@" + otherDigest,
		SizeBytes: 9_118_955, Layers: []schemas.BuildLayer{{Digest: digest, SizeBytes: 9_118_170}},
		Stages: []schemas.BuildStage{{Name: "slim", Seconds: 4.25, Steps: 3, CachedSteps: 1}}, Seconds: 12.5, StartedAt: at(0), At: at(12)}
}

func anomaly() schemas.AnomalyDetected {
	return schemas.AnomalyDetected{
		ID: "0a1b2c3d4e5f", State: schemas.AnomalyEnded, App: "shop", Apps: []string{"shop"}, Scope: schemas.AnomalyScope{Vantage: "madrid", Region: "tokyo", App: "shop", Variant: "slim", Kind: "http"},
		Moved: 1, Of: 1, MovedVantages: 1, OfVantages: 1,
		Cells: []schemas.AnomalyCell{{App: "shop", Region: "tokyo", Variant: "slim", Vantage: "madrid", Kind: "http", Measures: []schemas.AnomalyMeasure{schemas.AnomalyLatency, schemas.AnomalyTail, schemas.AnomalyLoss},
			Before: schemas.AnomalyLevel{P50MS: 210.5, P95MS: 240, Loss: 0.001}, After: schemas.AnomalyLevel{P50MS: 275.25, P95MS: 420, Loss: 0.25}}},
		PValue: 1.5e-9, QValue: 2.5e-7, Since: at(0), DetectedAt: at(1), Reason: "1 of 1 cells are as before", At: at(2)}
}

// buildOfCommit is a build of an app that is built from a git repository.
func buildOfCommit() schemas.BuildFinished {
	b := build()
	b.Trigger, b.Commit = commit, commit
	return b
}

func entries() []golden {
	t := topology()
	hash := t.Hash()
	also := t.Apps[0]
	also.Probe.Also = []string{"db_fresh"}
	git := t.Apps[0]
	git.Source.Git = schemas.Git{Repository: "https://github.com/acme/shop.git", Branch: "main", Token: "env:SHOP_GIT_TOKEN"}
	soon := t.Apps[0]
	soon.Gates.MaxRTO = schemas.Duration(30 * time.Second)
	return []golden{
		entry(schemas.TopologyBucket, ".region", schemas.TopologyPart{Topology: hash, Region: &t.Regions[0]}),
		entry(schemas.TopologyBucket, ".vantage", schemas.TopologyPart{Topology: hash, Vantage: &t.Vantages[0]}),
		entry(schemas.TopologyBucket, ".app", schemas.TopologyPart{Topology: hash, App: &t.Apps[0]}),
		entry(schemas.TopologyBucket, ".app_replicated", schemas.TopologyPart{Topology: hash, App: replicated(t.Apps[0])}),
		entry(schemas.TopologyBucket, ".app.measured", schemas.TopologyPart{Topology: hash, App: measured(t.Apps[0])}),
		entry(schemas.TopologyBucket, ".app_probed", schemas.TopologyPart{Topology: hash, App: objective(t.Apps[0])}),
		entry(schemas.TopologyBucket, ".app.also", schemas.TopologyPart{Topology: hash, App: &also}),
		entry(schemas.TopologyBucket, ".app.git", schemas.TopologyPart{Topology: hash, App: &git}),
		entry(schemas.TopologyBucket, ".app.discovered", schemas.TopologyPart{Topology: hash, App: discovered(t.Apps[0])}),
		entry(schemas.TopologyBucket, ".region.labelled", schemas.TopologyPart{Topology: hash, Region: labelled(t.Regions[0])}),
		entry(schemas.TopologyBucket, ".app.gated", schemas.TopologyPart{Topology: hash, App: gated(t.Apps[0])}),
		entry(schemas.TopologyBucket, ".app.rto", schemas.TopologyPart{Topology: hash, App: &soon}),
		entry(schemas.TopologyBucket, ".app.observed", schemas.TopologyPart{Topology: hash, App: observed(t.Apps[0])}),
		entry(schemas.TopologyBucket, ".current", schemas.TopologyPart{Current: &schemas.TopologyIndex{
			Hash: hash, Version: 1, Regions: []string{"frankfurt", "london"}, Vantages: []string{"london"}, Apps: []string{"shop"}, Actor: "api", At: at(0)}}),
		entry(schemas.BuildBucket, "", schemas.BuildState{App: "shop", Variant: "slim", Last: build(), Delivery: "push:distribution:32cf1666", Announced: true, Wanted: build()}),
		entry(schemas.BuildBucket, ".git", schemas.BuildState{App: "shop", Variant: "slim", Last: buildOfCommit(), Delivery: "source:github:32cf1666", Announced: true, Wanted: build()}),
		entry(schemas.ImageBucket, "", schemas.ImageState{
			App: "shop", Variant: "slim", Region: "tokyo", Build: "b1", Digest: digest, Reference: "10.88.4.1:5000/shop@" + digest, Parity: "failed", Error: "no route to host", Since: at(0)}),
		entry(schemas.BenchmarkBucket, "", schemas.BenchmarkState{
			App: "shop", Variant: "slim", Region: "tokyo", Digest: digest, Machine: "builder-1", SizeBytes: 52_200_000, Layers: 7, WastedBytes: 1_000,
			Cold: []schemas.BenchmarkRun{{PullUS: 1_200_000, UnpackUS: 300_000, StartUS: 90_000, HealthyUS: 400_000, Error: "none", At: at(0)}},
			Warm: []schemas.BenchmarkRun{{PullUS: 4_000, StartUS: 80_000, Error: "the container ended", At: at(1)}}, At: at(1)}),
		entry(schemas.VerdictBucket, "", schemas.Verdict{
			Vantage: "london", App: "shop", Region: "frankfurt", Health: schemas.Degraded, Since: at(0), At: at(1), Round: 812, Incident: "i1", FailedRounds: 2,
			Variants: []schemas.VariantHealth{{Variant: "slim", OK: true, LatencyUS: 18_400, Error: "none"}}, LatencyUS: 18_400, Reason: "single does not answer", Topology: hash}),
		entry(schemas.VerdictBucket, ".replicated", schemas.Verdict{
			Vantage: "london", App: "shop", Region: "dallas", Health: schemas.Up, Since: at(0), At: at(5), Round: 812, Variants: []schemas.VariantHealth{{Variant: "slim", OK: true, LatencyUS: 18_400}},
			Replication: &schemas.Replication{Acknowledged: schemas.Heartbeat{At: at(4), Token: 731, SeenAt: at(5)}, Replayed: schemas.Heartbeat{At: at(3), Token: 729, SeenAt: at(5)}}, Topology: hash}),
		entry(schemas.VerdictBucket, ".connected", schemas.Verdict{
			Vantage: "london", App: "shop", Region: "frankfurt", Health: schemas.Up, Since: at(0), At: at(1), Round: 813,
			Variants: []schemas.VariantHealth{{Variant: "slim", OK: true, LatencyUS: 18_400}}, LatencyUS: 18_400, ConnectUS: 9_100, Topology: hash}),
		entry(schemas.VantageBucket, "", schemas.Presence{
			Vantage: "london", Region: "london", Boot: 1_795_305_431_000_000, Sighted: true, AnchorsReachable: 2, Anchors: 3, Round: 812, At: at(0), Topology: hash}),
		entry(schemas.RankingBucket, "", ranking()),
		entry(schemas.RankingBucket, ".serve", servedRanking()),
		entry(schemas.RankingBucket, ".gates", judgedRanking()),
		entry(schemas.RankingBucket, ".published", publishedRanking()),
		entry(schemas.RankingBucket, ".declared", withDeclared(ranking())),
		entry(schemas.AnomalyBucket, "", schemas.Anomaly{Last: anomaly(), Announced: true}),
		entry(schemas.RankingBucket, ".warned", warned()),
		entry(schemas.LoadBucket, "", schemas.Load{App: "shop", RequestsPerSecond: 812.5, At: at(0)}),
		entry(schemas.LoadBucket, ".regions", schemas.Load{App: "shop", RequestsPerSecond: 812.5, At: at(0),
			Regions: []schemas.RegionRequests{{Region: "frankfurt", Requests: 1843200.25}, {Region: "london"}}}),
		entry(schemas.OverrideBucket, "", schemas.Override{App: "shop", Region: "london", Kind: schemas.Pin, Why: "canary", Who: "anna", At: at(0), Until: at(3600)}),
		entry(schemas.OverrideBucket, ".variant", schemas.Override{App: "shop", Region: "london", Variant: "slim", Kind: schemas.Exclude, Why: "disk trouble", Who: "anna", At: at(0), Until: at(7200)}),
		entry(schemas.RouteBucket, "", schemas.Route{App: "shop", Active: frankfurt, Epoch: schemas.Epoch{Term: 1, N: 6}, Plan: "p0", Since: at(0)}),
		entry(schemas.PlanBucket, "", plan()),
		entry(schemas.PlanBucket, ".preview", preview()),
		entry(schemas.LeaseBucket, "", schemas.Lease{Of: "shop", Holder: "actuator-1", At: at(0)}),
		entry(schemas.ShareBucket, "", schemas.Lease{Of: "samples-0", Holder: "recorder-1", At: at(0)}),
		entry(schemas.GatewayLeaseBucket, "", schemas.Lease{Of: "discovery", Holder: "gateway-1", At: at(0)}),
		entry(schemas.DiscoveryBucket, "", schemas.DiscoveryState{
			App: "shop", Name: "pods", Place: "service web/shop at https://kubernetes.default.svc", Gateway: "gateway-1", Topology: hash, ReadAt: at(0), Trouble: "no answer", Targets: 3,
			Endpoints: []schemas.Candidate{frankfurt, london}, Kept: []schemas.Candidate{london}, Refused: 1, Reasons: []string{"[0].targets[1]: not a text"}, At: at(1)}),
		entry(schemas.IntentBucket, "", schemas.InsertIntent{
			Partition: "samples-0", Incarnation: "b251808f-8da6-4235-877c-e51cad70070f", First: 1, Last: 40, Rows: 4_000, State: "before", Owner: "recorder-1", At: at(0)}),
	}
}

func benchmarks() schemas.ImageBenchmarks {
	return schemas.ImageBenchmarks{App: "shop", Rows: []schemas.ImageBenchmark{{
		Candidate: schemas.Candidate{Region: "london", Variant: "slim"}, Digest: "sha256:" + strings.Repeat("ab", 32), Cold: true, SizeBytes: 52_200_000, Layers: 7,
		WastedBytes: 1_000, PullUS: 1_200_000, UnpackUS: 300_000, StartUS: 90_000, HealthyUS: 400_000, Error: "none", At: at(0).Truncate(time.Microsecond)}}}
}

// sampled is the golden value of a batch of samples.
func sampled(file string, b *schemas.SampleBatch) golden {
	return batch(file, b,
		func() (string, []byte, error) {
			data, err := b.Encode()
			return schemas.SampleSubject(b.Vantage), data, err
		},
		func(subject string, data []byte) (any, error) { return schemas.DecodeSampleBatch(subject, data) })
}

func batches() []golden {
	r := ranking()
	// The wire form of an evaluation counts in microseconds.
	r.At = r.At.Truncate(time.Microsecond)
	gate := &r.Orders[0].Candidates[0].Gates[0]
	gate.EvidenceAt = gate.EvidenceAt.Truncate(time.Microsecond)
	serve := r
	serve.Orders = slices.Clone(r.Orders)
	serve.Orders[0].Candidates = slices.Clone(r.Orders[0].Candidates)
	for i, ms := range []float64{0, 1900.5} {
		serve.Orders[0].Candidates[i].ServeMS = &ms
	}
	judged := judgedRanking()
	judged.At = r.At
	judged.Orders[0].Candidates[0].Gates[0].EvidenceAt = gate.EvidenceAt
	published := publishedRanking()
	published.At = r.At
	published.Orders[0].Candidates[0].Gates[0].EvidenceAt = gate.EvidenceAt
	published.Digest = strings.Repeat("0f", 32)
	doubted := published
	doubted.Warnings = []string{"tokyo/slim from frankfurt: 2.0 ms by http", "a location is wrong"}
	return []golden{
		batch("rankings_evaluated.serve.v1.hex", serve,
			func() (string, []byte, error) { return schemas.EncodeEvaluation(serve) },
			func(subject string, data []byte) (any, error) { return schemas.DecodeEvaluation(subject, data) }),
		batch("rankings_evaluated.gates.v1.hex", judged,
			func() (string, []byte, error) { return schemas.EncodeEvaluation(judged) },
			func(subject string, data []byte) (any, error) { return schemas.DecodeEvaluation(subject, data) }),
		sampled("samples_measured.v1.hex", samples()),
		sampled("samples_measured.probed.v1.hex", probed()),
		batch("rankings_evaluated.v1.hex", r,
			func() (string, []byte, error) { return schemas.EncodeEvaluation(r) },
			func(subject string, data []byte) (any, error) { return schemas.DecodeEvaluation(subject, data) }),
		batch("rankings_evaluated.published.v1.hex", published,
			func() (string, []byte, error) { return schemas.EncodeEvaluation(published) },
			func(subject string, data []byte) (any, error) { return schemas.DecodeEvaluation(subject, data) }),
		batch("rankings_evaluated.warned.v1.hex", doubted,
			func() (string, []byte, error) { return schemas.EncodeEvaluation(doubted) },
			func(subject string, data []byte) (any, error) { return schemas.DecodeEvaluation(subject, data) }),
		batch("images_benchmarked.v1.hex", benchmarks(),
			func() (string, []byte, error) { return benchmarks().Encode() },
			func(subject string, data []byte) (any, error) { return schemas.DecodeImageBenchmarks(subject, data) }),
	}
}

func samples() *schemas.SampleBatch {
	b := &schemas.SampleBatch{Vantage: "london", VantageRegion: "london", Boot: 1_795_305_431_000_000, Counter: 17, Topology: "0011223344556677", Spooled: true}
	b.Append(schemas.Sample{
		App: "shop", Region: "frankfurt", Variant: "slim", Kind: schemas.KindHTTP, Outcome: schemas.OK, DueUS: 1_795_305_432_000_000, LatencyUS: 18_400, LateUS: 120,
		DNSUS: 1, ConnectUS: 9_000, TLSUS: 3_000, WriteUS: 30, FirstByteUS: 6_200, TransferUS: 50, Status: 200})
	// Samples come in the order they end in: the differences of the due times can be negative.
	b.Append(schemas.Sample{
		App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindTCP, Outcome: schemas.TimedOut, DueUS: 1_795_305_431_200_000, LatencyUS: 800_000, LateUS: 90})
	return b
}

// probed is a batch with what probers tell since they measure databases of every kind.
func probed() *schemas.SampleBatch {
	b := samples()
	b.Spooled, b.ClockErrorUS = false, 350
	b.Append(schemas.Sample{
		App: "shop", Region: "tokyo", Kind: schemas.KindDBFresh, Outcome: schemas.OK, DueUS: 1_795_305_432_100_000, LatencyUS: 9_400, ConnectUS: 5_000,
		Flags: schemas.Saturated | schemas.ClockStepped, Server: "replica-7391122334455667788"})
	return b
}

func ranking() schemas.Ranking {
	return schemas.Ranking{
		App: "shop", At: at(2), Topology: "0011223344556677", Quantile: 0.95, WindowSeconds: 120, Inputs: json.RawMessage(`{"seed":7}`),
		Orders: []schemas.Order{{Active: "frankfurt", Candidates: []schemas.RankedCandidate{
			{Candidate: london, Rank: 1, Running: true, CostMS: 21.5, LowMS: 20.25, HighMS: 23, Censored: true, Enough: true, Samples: 480, Failures: 3, Eligible: true,
				Gates: []schemas.Gate{{Name: "fresh", Result: schemas.Pass, Evidence: "newest sample 1s old", EvidenceAt: at(1)}, {Name: "jurisdiction", Result: schemas.Pass, Evidence: "GB"}}},
			{Candidate: schemas.Candidate{Region: "tokyo", Variant: "slim"}, Rank: 2, CostMS: 230, LowMS: 229, HighMS: 231, Gates: []schemas.Gate{{Name: "distance", Result: schemas.Unknown, Evidence: "no location"}}},
		}}},
	}
}

// servedRanking is a ranking that says how long its candidates take to serve.
func servedRanking() schemas.Ranking {
	r := ranking()
	for i, ms := range []float64{0, 1900.5} {
		r.Orders[0].Candidates[i].ServeMS, r.Orders[0].Candidates[i].Serve = &ms, "by its benchmarks"
	}
	r.Requests = []schemas.RequestLatency{{Candidate: london, Samples: 480, Failures: 3, Quantiles: []schemas.LatencyQuantile{
		{Quantile: 0.5, Enough: true, MS: 12.5, LowMS: 12, HighMS: 13, Censored: true}, {Quantile: 0.99}}}}
	return r
}

// judgedRanking is a ranking whose gates say what they looked at as numbers too.
func judgedRanking() schemas.Ranking {
	r := ranking()
	first := r.Orders[0].Candidates[0].Gates
	first[0].Value, first[0].Threshold = "1 s", "15 s"
	first[1].Value, first[1].Threshold = "GB", "DE, GB"
	return r
}

// chosen is a change of an order since it says where traffic would go.
func chosen(e schemas.RankingChanged) golden {
	g := event(schemas.RankingChangedTopic, e)
	g.file = "ranking_changed.choice.v1.json"
	return g
}

// publishedRanking is a ranking whose choice is held against the raw one.
func publishedRanking() schemas.Ranking {
	r := ranking()
	o := &r.Orders[0]
	o.Choice, o.Raw, o.Warming, o.Reason = london, schemas.Candidate{Region: "tokyo", Variant: "slim"}, true, "tokyo/slim leads london/single by 0.50 ms, evidence 0.51 of 2.00"
	o.Stability = json.RawMessage(`{"seen":7.5}`)
	o.Candidates[0].PBest, o.Candidates[0].RegretMS = 0.75, 0.5
	o.Candidates[1].Doubt = "their intervals overlap"
	return r
}

func plan() schemas.Plan {
	return schemas.Plan{
		ID: "p1", App: "shop", Incident: "i1", Trigger: schemas.TriggerAlert, Reason: "3 of 4 vantages say down", Actor: "ada", From: frankfurt, To: london,
		Epoch: schemas.Epoch{Term: 1, N: 7}, State: schemas.PlanRunning, Topology: "0011223344556677", RankingAt: at(2),
		Candidates: []schemas.PlanCandidate{{RankedCandidate: ranking().Orders[0].Candidates[0], Chosen: true}},
		Quorum:     []schemas.QuorumVote{{Vantage: "london", Health: schemas.Down, At: at(2), Reason: "no answer"}, {Vantage: "tokyo", Health: schemas.Blind}},
		Journal:    []schemas.JournalStep{{Name: "shift", Target: "entry", Detail: "100 %", Result: "applied", Error: "second try", StartedAt: at(3), EndedAt: at(4)}, {Name: "verify"}},
		Times:      schemas.PlanTimes{AlertAt: at(0), FirstDownAt: at(1), QuorumAt: at(2), PlannedAt: at(3), ShiftedAt: at(4), VerifiedAt: at(5), EndedAt: at(6)},
		At:         at(3),
	}
}

// replicated is an app as it was before there were databases in every region, with one.
// objective is an app whose regions have a latency to keep.
func objective(a schemas.App) *schemas.App {
	a.Objective.MaxLatency = schemas.Duration(250 * time.Millisecond)
	return &a
}

func replicated(a schemas.App) *schemas.App {
	a.PrimaryDatabase, a.Gates.RPO = "env:SHOP_PRIMARY_DATABASE_URL", schemas.Duration(2*time.Second)
	return &a
}

// measured is an app that is measured in every way.
func measured(a schemas.App) *schemas.App {
	e := a.Endpoints[0]
	e.TLS, e.DNS, e.GRPC, e.Exec = "10.88.1.1:8443", "dns://10.88.1.1/shop.example?type=A", "grpc://10.88.1.1:50051/shop.v1.Cart", "orders --deep"
	a.Endpoints = []schemas.Endpoint{e}
	a.Probe.Also = []string{"http_kept", "registry"}
	a.Probe.HTTP = &schemas.HTTPCheck{Status: []int{200}, Header: map[string]string{"Content-Type": "^text/"}, Body: "ok", Host: "shop.example", Version: "1.1", Redirects: 1, CertificateDays: 14}
	return &a
}

// discovered is the app with an entry of each kind, and an endpoint that one of them found.
func discovered(a schemas.App) *schemas.App {
	every, keep := schemas.Duration(10*time.Second), schemas.Duration(10*time.Minute)
	a.Discover = []schemas.Discovery{
		{Name: "file", Interval: every, Keep: keep, File: "/etc/leeward/shop.json", Endpoint: schemas.DiscoveredEndpoint{
			Region: "tokyo", Variant: "slim", ICMP: "{host}", TCP: "{address}", TLS: "{host}:8443", HTTP: "http://{address}/healthz", DNS: "dns://{host}/shop.example?type=A",
			GRPC: "grpc://{address}/shop.v1.Cart", Exec: "orders {host} {port}", Database: "file:/run/secrets/{region}-database"}},
		{Name: "web", Interval: every, Keep: keep, HTTP: &schemas.HTTPDiscovery{URL: "https://targets.example/shop", Token: "env:TARGETS_TOKEN", CA: "/etc/leeward/ca.pem"}},
		{Name: "names", Interval: every, Keep: keep, DNS: &schemas.DNSDiscovery{SRV: "_https._tcp.shop.example", Server: "10.0.0.53:53"}},
		{Name: "pods", Interval: every, Keep: keep, Kubernetes: &schemas.KubernetesDiscovery{
			URL: "https://kubernetes.default.svc", Token: "file:/run/secrets/token", CA: "/etc/leeward/cluster.pem", Namespace: "web", Service: "shop", Port: "https"}},
	}
	e := a.Endpoints[0]
	e.Found = "file"
	a.Endpoints = []schemas.Endpoint{e}
	return &a
}

func withDeclared(r schemas.Ranking) schemas.Ranking {
	r.Declared = "8899aabbccddeeff"
	return r
}

// labelled is a region that custom gates can tell from others.
func labelled(r schemas.Region) *schemas.Region {
	r.Labels = map[string]string{"provider": "hetzner"}
	return &r
}

// gated is an app with a load to carry and a gate of its own.
func gated(a schemas.App) *schemas.App {
	e := a.Endpoints[0]
	e.Capacity = 1200
	a.Endpoints = []schemas.Endpoint{e}
	a.Gates.Headroom = 1.2
	a.Gates.Custom = []schemas.CustomGate{{Name: "cheap-enough", Expr: "candidate.cost_ms < 200.0", Why: "the checkout gives up after a second"}}
	return &a
}

// observed is an app whose vantages are weighed by the traffic of their regions, and whose samples count less with age.
func observed(a schemas.App) *schemas.App {
	a.Objective.Weights, a.Objective.HalfLife = schemas.ObservedWeights, schemas.Duration(30*time.Second)
	a.Targets = slices.Clone(a.Targets)
	a.Targets[0].Region = "frankfurt"
	return &a
}

// warned is a ranking whose measurements can not be true.
func warned() schemas.Ranking {
	r := ranking()
	r.Warnings = []string{"tokyo/slim from frankfurt: 2.0 ms by http"}
	return r
}

func preview() schemas.Plan {
	p := plan()
	p.ID, p.Incident, p.State, p.Trigger, p.Forced, p.Supposed = schemas.PreviewID("back-1"), "preview:back-1", schemas.PlanPreviewed, schemas.TriggerRequest, true, "tokyo"
	return p
}

func topology() schemas.Topology {
	ms := func(n int) schemas.Duration { return schemas.Duration(time.Duration(n) * time.Millisecond) }
	return schemas.Topology{
		Version: 1,
		Regions: []schemas.Region{
			{Name: "frankfurt", Location: schemas.Location{Latitude: 50.11, Longitude: 8.68}, Jurisdiction: "DE", Registry: "http://10.88.1.1:5000"},
			{Name: "london", Location: schemas.Location{Latitude: 51.51, Longitude: -0.13}, Jurisdiction: "GB", Registry: "http://10.88.2.1:5000"},
		},
		Vantages: []schemas.Vantage{{Name: "london", Region: "london", Anchors: []string{"10.88.0.1:5000"}, Weight: 0.5}},
		Apps: []schemas.App{{
			Name: "shop", Team: "storefront", Mode: "auto", Start: frankfurt,
			Source: schemas.Source{Watch: []schemas.Watch{{Registry: "http://10.88.0.1:5000", Repository: "base/node", Tags: []string{"20"}}}, Context: "examples/shop", Dockerfile: "Dockerfile", Args: map[string]string{"A": "1"}},
			Images: schemas.Images{Registry: "http://10.88.0.1:5000", Repository: "shop"}, Variants: []schemas.Variant{{Name: "slim", Target: "slim", Args: map[string]string{"B": "2"}}},
			Endpoints: []schemas.Endpoint{{Region: "frankfurt", Variant: "slim", ICMP: "10.88.1.1", TCP: "10.88.1.1:8082", HTTP: "http://10.88.1.1:8082/healthz", Database: "env:SHOP_DATABASE_URL"}},
			Probe:     schemas.Probe{Interval: ms(1000), Timeout: ms(800), DownAfter: 3, UpAfter: 3},
			Objective: schemas.Objective{Kind: "http", Quantile: 0.95, Window: ms(120_000), WritesPerRequest: 0.1},
			Gates:     schemas.Gates{MinDistanceKM: 300, MaxRTT: ms(150), Jurisdictions: []string{"DE", "GB"}, MinSamples: 20, MaxAge: ms(15_000)},
			Failover: schemas.Failover{Verdicts: true, Quorum: 0.5, MinVantages: 3, MaxRankingAge: ms(60_000), CoolDown: ms(30_000), Shift: []int{5, 50, 100}, Bake: ms(1000),
				Verify: schemas.Verify{URL: "http://10.88.0.1:8000/healthz", Header: "X-Leeward-Instance", Timeout: ms(10_000)}},
			Targets: []schemas.Target{{Name: "entry", HAProxy: &schemas.HAProxyTarget{Socket: "/run/leeward/haproxy.sock", Backend: "shop",
				Servers: []schemas.HAProxyServer{{Region: "frankfurt", Variant: "slim", Server: "frankfurt-slim"}}}}},
			Alerts: []schemas.AlertRule{{Match: map[string]string{"alertname": "RegionDown"}, Region: "frankfurt", RegionLabel: "region"}},
		}},
	}
}
