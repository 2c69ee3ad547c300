package console_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// system is the demo world's topology with what its services would have said of it, each written by its owner's user of the bus.
type system struct {
	t        *testing.T
	gate     *gate
	bus      *bustest.Server
	yaml     []byte
	topology schemas.Topology
	app      schemas.App

	ranker, actuator, builder *bus.Bus
	probers                   map[string]*bus.Bus
}

// newSystem starts a bus and a gateway that knows the topology of the demo world, and nothing else.
func newSystem(t *testing.T, over map[string]string) *system {
	t.Helper()
	yaml, err := os.ReadFile("../../examples/leeward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	y := &system{t: t, yaml: yaml, probers: map[string]*bus.Bus{}}
	if y.topology, err = config.Parse("leeward.yaml", yaml); err != nil {
		t.Fatal(err)
	}
	y.app, _ = y.topology.App("shop")
	var vantages []string
	for _, v := range y.topology.Vantages {
		vantages = append(vantages, v.Name)
	}
	y.bus = bustest.Start(t, vantages...)
	y.ranker, y.actuator, y.builder = y.bus.Connect(schemas.Ranker, ""), y.bus.Connect(schemas.Actuator, ""), y.bus.Connect(schemas.Builder, "")
	for _, v := range vantages {
		y.probers[v] = y.bus.Connect(schemas.Prober, v)
	}
	y.gate = startGate(t, y.bus, over)
	return y
}

// populate says everything that a system in good health would.
func (y *system) populate() {
	y.t.Helper()
	y.gate.apply(y.yaml)
	y.see(nil)
	put(y, y.ranker, schemas.RankingBucket, y.ranking())
	y.changes()
	put(y, y.actuator, schemas.RouteBucket, schemas.Route{App: "shop", Active: y.app.Start, Epoch: schemas.Epoch{Term: 1, N: 1}, Since: time.Now().Add(-3 * time.Hour)})
	y.build()
	put(y, y.actuator, schemas.PlanBucket, y.plan("moved", schemas.PlanFinished))
	put(y, y.actuator, schemas.PlanBucket, y.refusal("refused"))
}

// put stores a value as its owner.
func put[V schemas.Value](y *system, b *bus.Bus, bucket schemas.Bucket[V], value V) {
	y.t.Helper()
	ctx, cancel := context.WithTimeout(y.t.Context(), patience)
	defer cancel()
	if _, err := bus.Put(ctx, b, bucket, value, bus.Condition{}); err != nil {
		y.t.Fatal(err)
	}
}

// publish publishes an event as its producer.
func publish[E schemas.Event](y *system, b *bus.Bus, topic schemas.Topic[E], e E) {
	y.t.Helper()
	ctx, cancel := context.WithTimeout(y.t.Context(), patience)
	defer cancel()
	if err := bus.Publish(ctx, b, topic, e); err != nil {
		y.t.Fatal(err)
	}
}

// latency is about the round trip between two places, in microseconds.
func latency(a, b string) uint32 {
	far := map[string]uint32{"frankfurt": 3, "london": 9, "madrid": 14, "dallas": 62, "tokyo": 116}
	if a == b {
		return 350
	}
	return 1000 * (far[a] + far[b])
}

// see has every vantage judge every region: up, unless it is one of the lost, which everybody sees down and which is itself blind.
func (y *system) see(lost map[string]bool) {
	y.t.Helper()
	now := time.Now()
	for _, v := range y.topology.Vantages {
		presence := schemas.Presence{Vantage: v.Name, Region: v.Region, Boot: 1, Sighted: !lost[v.Region], AnchorsReachable: 3, Anchors: 3, Round: 9, At: now.Add(time.Hour), Topology: y.topology.Hash()}
		presence.At = now
		if lost[v.Region] {
			presence.AnchorsReachable = 0
		}
		put(y, y.probers[v.Name], schemas.VantageBucket, presence)
		for _, region := range y.app.Regions() {
			verdict := schemas.Verdict{Vantage: v.Name, App: "shop", Region: region, Health: schemas.Up, Since: now.Add(-time.Hour), At: now, Round: 9, Topology: y.topology.Hash(),
				LatencyUS: 2*latency(v.Name, region) + 900, ConnectUS: latency(v.Name, region)}
			for _, one := range y.app.Variants {
				verdict.Variants = append(verdict.Variants, schemas.VariantHealth{Variant: one.Name, OK: true, LatencyUS: verdict.LatencyUS})
			}
			if lost[region] {
				verdict.Health, verdict.LatencyUS, verdict.ConnectUS, verdict.Variants, verdict.Reason = schemas.Down, 0, 0, nil, "http: no answer in 800ms"
			}
			put(y, y.probers[v.Name], schemas.VerdictBucket, verdict)
		}
	}
}

// changes are how the order for frankfurt came to be: london was the choice, fell behind, and is it again.
func (y *system) changes() {
	y.t.Helper()
	for i, c := range []struct{ region, reason string }{
		{"london", ""}, {"dallas", "london/slim is no longer eligible"}, {"london", "london/slim leads dallas/slim by 129.60 ms, evidence 2.10 of 2.00"},
	} {
		choice := schemas.Candidate{Region: c.region, Variant: "slim"}
		publish(y, y.ranker, schemas.RankingChangedTopic, schemas.RankingChanged{
			App: "shop", Active: "frankfurt", Order: []schemas.Candidate{choice}, Eligible: []schemas.Candidate{choice}, Choice: choice, Reason: c.reason,
			Topology: y.topology.Hash(), At: time.Now().Add(time.Duration(i-3) * 10 * time.Minute),
		})
	}
}

// ranking is an order for every active region: near regions are cheap, Tokyo is too far, and the variants of a region are a tie.
func (y *system) ranking() schemas.Ranking {
	now := time.Now().UTC()
	r := schemas.Ranking{App: "shop", At: now, Topology: y.topology.Hash(), Quantile: 0.95, WindowSeconds: 120}
	cost := map[string]float64{"frankfurt": 38.2, "london": 41.7, "dallas": 171.3, "tokyo": 262.9}
	for _, active := range y.app.Regions() {
		o := schemas.Order{Active: active, Choice: schemas.Candidate{Region: "london", Variant: "slim"}, Raw: schemas.Candidate{Region: "london", Variant: "slim"}}
		rank := 1
		for _, region := range []string{"frankfurt", "london", "dallas", "tokyo"} {
			for i, v := range y.app.Variants {
				c := cost[region] + 0.4*float64(i)
				k := schemas.RankedCandidate{Candidate: schemas.Candidate{Region: region, Variant: v.Name}, Rank: rank, Running: true, CostMS: c, LowMS: c * 0.97, HighMS: c * 1.04, Enough: true, Samples: 590, PBest: 0.25}
				k.Gates = []schemas.Gate{
					{Name: "running", Result: schemas.Pass, Evidence: "has an endpoint"},
					{Name: "healthy", Result: schemas.Pass, Evidence: "5 of 5 sighted vantages say up", Value: "5 vantages", Threshold: "3 vantages", EvidenceAt: now},
					{Name: "fresh", Result: schemas.Pass, Evidence: "newest sample 1.2s old, at most 15s allowed", Value: "1.2 s", Threshold: "15 s", EvidenceAt: now},
					{Name: "distance", Result: schemas.Pass, Evidence: "638 km from " + active + ", at least 300 needed", Value: "638 km", Threshold: "300 km"},
					{Name: "rtt", Result: schemas.Pass, Evidence: "median 13.1 ms by icmp from " + active + ", at most 150ms allowed", Value: "13.1 ms", Threshold: "150 ms", EvidenceAt: now},
					{Name: "image", Result: schemas.Pass, Evidence: "sha256:0123456789ab verified", Value: "verified", Threshold: "verified", EvidenceAt: now.Add(-time.Hour)},
				}
				k.Eligible = true
				if region == "tokyo" {
					k.Eligible = false
					k.Gates[4] = schemas.Gate{Name: "rtt", Result: schemas.Fail, Evidence: "median 227.4 ms by icmp from " + active + ", at most 150ms allowed", Value: "227.4 ms", Threshold: "150 ms", EvidenceAt: now}
					k.Gates = append(k.Gates, schemas.Gate{Name: "jurisdiction", Result: schemas.Unknown, Evidence: "the region's jurisdiction is not known"})
				}
				o.Candidates = append(o.Candidates, k)
			}
			rank += len(y.app.Variants)
		}
		r.Orders = append(r.Orders, o)
	}
	for _, k := range r.Orders[0].Candidates {
		r.Requests = append(r.Requests, schemas.RequestLatency{Candidate: k.Candidate, Samples: 590, Failures: 2, Quantiles: []schemas.LatencyQuantile{
			{Quantile: 0.5, Enough: true, MS: k.CostMS / 2, LowMS: k.CostMS * 0.48, HighMS: k.CostMS * 0.52}, {Quantile: 0.95, Enough: true, MS: k.CostMS, LowMS: k.LowMS, HighMS: k.HighMS}, {Quantile: 0.99}}})
	}
	return r
}

// digest is a digest that is told apart by a letter.
func digest(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

// build has every variant built and copied to every region.
func (y *system) build() {
	y.t.Helper()
	now := time.Now()
	for i, v := range y.app.Variants {
		letter := fmt.Sprintf("%x", i+1)
		e := schemas.BuildFinished{
			Build: "b-" + v.Name, App: "shop", Variant: v.Name, Trigger: digest("a"), Outcome: "succeeded", Digest: digest(letter), Reference: "10.88.0.1:5000/shop@" + digest(letter),
			SizeBytes: uint64(70-12*i) * 1e6, Seconds: 6.1 + float64(i), StartedAt: now.Add(-time.Hour), At: now.Add(-59 * time.Minute),
			Layers: []schemas.BuildLayer{{Digest: digest("c"), SizeBytes: 9_100_000}, {Digest: digest("d"), SizeBytes: 45_000_000}, {Digest: digest("e"), SizeBytes: 900_000}},
			Stages: []schemas.BuildStage{{Name: "deps", Seconds: 3.2, Steps: 4, CachedSteps: 1}, {Name: v.Target, Seconds: 1.1, Steps: 3}},
		}
		publish(y, y.builder, schemas.BuildFinishedTopic, e)
		put(y, y.builder, schemas.BuildBucket, schemas.BuildState{App: "shop", Variant: v.Name, Last: e, Delivery: "d", Announced: true, Wanted: e})
		for n, region := range y.app.Regions() {
			put(y, y.builder, schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: v.Name, Region: region, Build: e.Build, Digest: e.Digest, Reference: region + "/shop@" + e.Digest, Parity: "verified", Since: now.Add(-58 * time.Minute)})
			y.benchmark(v.Name, region, e, i)
			publish(y, y.builder, schemas.ImageReplicatedTopic, schemas.ImageReplicated{App: "shop", Variant: v.Name, Region: region, Build: e.Build, Digest: e.Digest, Outcome: "verified", Attempt: 1, Seconds: 0.4 + float64(n), At: now})
		}
	}
}

// benchmark has an image started six times. The first variant is pulled more slowly, the others can not be told apart, and nothing was benchmarked from Tokyo's registry.
func (y *system) benchmark(variant, region string, e schemas.BuildFinished, i int) {
	if region == "tokyo" {
		return
	}
	s := schemas.BenchmarkState{App: "shop", Variant: variant, Region: region, Digest: e.Digest, Machine: "builder-1", SizeBytes: e.SizeBytes, Layers: 3, WastedBytes: 1_500_000, At: e.At}
	pull := uint64(1_000_000)
	if i == 0 {
		pull = 2_000_000
	}
	for n := range uint64(6) {
		s.Cold = append(s.Cold, schemas.BenchmarkRun{PullUS: pull + 1000*n, UnpackUS: 300_000, StartUS: 90_000, HealthyUS: 400_000, At: e.At})
	}
	s.Warm = []schemas.BenchmarkRun{{PullUS: 4_000, StartUS: 80_000, HealthyUS: 350_000, At: e.At}}
	put(y, y.builder, schemas.BenchmarkBucket, s)
}

// plan is a failover from Frankfurt to London that the vantages' verdicts started.
func (y *system) plan(id string, state schemas.PlanState) schemas.Plan {
	at := time.Now().UTC()
	down := at.Add(-900 * time.Millisecond)
	p := schemas.Plan{
		ID: id, App: "shop", Incident: "incident-" + id, Trigger: schemas.TriggerVerdicts, Reason: "the vantages' own verdicts; 4 of 4 sighted vantages say frankfurt is down",
		From: schemas.Candidate{Region: "frankfurt", Variant: "slim"}, To: schemas.Candidate{Region: "london", Variant: "slim"}, Epoch: schemas.Epoch{Term: 1, N: 2}, State: state,
		Topology: y.topology.Hash(), RankingAt: at.Add(-4 * time.Second), At: at, Times: schemas.PlanTimes{FirstDownAt: down, QuorumAt: at.Add(-20 * time.Millisecond), PlannedAt: at},
		Journal: []schemas.JournalStep{
			{Name: "fence", Detail: "epoch 1.2 sends traffic to london/slim", Result: "applied", StartedAt: at.Add(time.Millisecond), EndedAt: at.Add(4 * time.Millisecond)},
			{Name: "shift", Target: "entry", Detail: "london/slim 100", Result: "started", StartedAt: at.Add(4 * time.Millisecond)},
			{Name: "verify", Detail: "http://10.88.0.1:8000/healthz"}, {Name: "record"},
		},
	}
	for _, v := range y.topology.Vantages {
		vote := schemas.QuorumVote{Vantage: v.Name, Health: schemas.Down, At: down, Reason: "http: no answer in 800ms"}
		if v.Region == "frankfurt" {
			vote.Health, vote.Reason = schemas.Blind, "reaches 0 of 3 anchors"
		}
		p.Quorum = append(p.Quorum, vote)
	}
	for _, k := range y.ranking().Orders[0].Candidates {
		p.Candidates = append(p.Candidates, schemas.PlanCandidate{RankedCandidate: k, Chosen: k.Candidate == p.To})
	}
	if state == schemas.PlanFinished {
		p = finish(p)
	}
	return p
}

// finish is the plan after its last step.
func finish(p schemas.Plan) schemas.Plan {
	p.State = schemas.PlanFinished
	p.Journal = append([]schemas.JournalStep(nil), p.Journal...)
	for i, result := range []string{"applied", "applied", "passed", "applied"} {
		began := p.At.Add(time.Duration(1+4*i) * time.Millisecond)
		p.Journal[i].Result, p.Journal[i].StartedAt, p.Journal[i].EndedAt = result, began, began.Add(4*time.Millisecond)
	}
	p.Times.ShiftedAt, p.Times.VerifiedAt, p.Times.EndedAt = p.At.Add(9*time.Millisecond), p.At.Add(40*time.Millisecond), p.At.Add(44*time.Millisecond)
	return p
}

// refusal is a decision to do nothing.
func (y *system) refusal(id string) schemas.Plan {
	p := y.plan(id, schemas.PlanRefused)
	p.To, p.Journal, p.At = schemas.Candidate{}, nil, p.At.Add(-time.Hour)
	p.Times = schemas.PlanTimes{AlertAt: p.At.Add(-3 * time.Second), PlannedAt: p.At}
	p.Trigger, p.Reason = schemas.TriggerAlert, "the vantages do not confirm: 1 of 5 sighted say down"
	return p
}
