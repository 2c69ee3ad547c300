package prober_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

const beat = 200 * time.Millisecond

func TestRegionIsJudgedUpDegradedDownAndUpAgain(t *testing.T) {
	s := bustest.Start(t, "london")
	single, slim := startApp(t), startApp(t)
	apply(t, s, topology(beat, schemas.Endpoint{Variant: "single", HTTP: single.URL, TCP: single.address()}, schemas.Endpoint{Variant: "slim", HTTP: slim.URL}))
	actuator := s.Connect(schemas.Actuator, "")
	verdicts := mirror(t, actuator, schemas.VerdictBucket)
	start(t, settings(t, s, t.TempDir()))
	key := []string{"london", "shop", "tokyo"}

	up := await(t, verdicts, "up", health(schemas.Up), key...)
	if up.LatencyUS == 0 || len(up.Variants) != 2 || up.Topology == "" || up.FailedRounds != 0 {
		t.Errorf("up verdict is not whole: %+v", up)
	}
	slim.status.Store(500)
	degraded := await(t, verdicts, "degraded", health(schemas.Degraded), key...)
	if v := degraded.Variants[1]; v.Variant != "slim" || v.OK || v.Error != "http: status 500 Internal Server Error" {
		t.Errorf("degraded by %+v, want slim by its status", v)
	}
	single.silent.Store(true)
	cut := time.Now()
	down := await(t, verdicts, "down", health(schemas.Down), key...)
	if down.FailedRounds < 3 || down.Since.Before(cut) {
		t.Errorf("down after %d failed rounds since %s, want 3 after %s", down.FailedRounds, down.Since, cut)
	}
	// Four beats and the time-out of a round; the rest is for a busy machine.
	if took := time.Since(cut); took > 5*beat+500*time.Millisecond {
		t.Errorf("down took %s, want three rounds and a timeout", took)
	}
	slim.status.Store(204)
	single.silent.Store(false)
	await(t, verdicts, "up again", health(schemas.Up), key...)

	var path []schemas.Health
	for _, e := range changes(t, s) {
		path = append(path, e.To)
	}
	for _, want := range []schemas.Health{schemas.Up, schemas.Degraded, schemas.Down, schemas.Up} {
		i := slices.Index(path, want)
		if i < 0 {
			t.Fatalf("%s is missing, in its place, from the changes of health", want)
		}
		path = path[i+1:]
	}
}

func TestBlindVantageAccusesNobody(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	app, anchor := startApp(t), startApp(t)
	world := topology(beat, schemas.Endpoint{Variant: "slim", HTTP: app.URL})
	world.Vantages[0].Anchors = []string{anchor.address(), anchor.address(), deaf(t), deaf(t)}
	apply(t, s, world)
	actuator := s.Connect(schemas.Actuator, "")
	verdicts, presences := mirror(t, actuator, schemas.VerdictBucket), mirror(t, actuator, schemas.VantageBucket)
	start(t, settings(t, s, t.TempDir()))
	key := []string{"london", "shop", "tokyo"}
	await(t, verdicts, "up with half of the anchors", health(schemas.Up), key...)
	p := await(t, presences, "a sighted vantage", func(p schemas.Presence) bool { return p.Sighted }, "london")
	if p.AnchorsReachable != 2 || p.Anchors != 4 || p.Region != "london" || p.Boot == 0 {
		t.Errorf("presence %+v, want 2 of 4 anchors in region london", p)
	}
	anchor.Close()
	app.Close()
	await(t, presences, "a vantage that lost its anchors", func(p schemas.Presence) bool { return !p.Sighted }, "london")
	blind := await(t, verdicts, "blind", health(schemas.Blind), key...)
	later := await(t, verdicts, "many failed rounds later", func(v schemas.Verdict) bool { return v.Round > blind.Round+4 }, key...)
	if later.Health != schemas.Blind {
		t.Errorf("a vantage without anchors says %s, want blind", later.Health)
	}
	for _, e := range changes(t, s) {
		if e.To == schemas.Down {
			t.Errorf("a vantage without anchors accused the region: %+v", e)
		}
	}
}

// TestVantageLooksForItsAnchorsBeforeItAccuses loses region and anchor at once, right after a round of presence and before the app's, where one failed round is enough: what the vantage knows of its anchor is still good.
func TestVantageLooksForItsAnchorsBeforeItAccuses(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	app, anchor := startApp(t), startApp(t)
	world := topology(time.Second, schemas.Endpoint{Variant: "slim", TCP: app.address()})
	world.Vantages[0].Anchors = []string{anchor.address()}
	world.Apps[0].Probe.DownAfter, world.Apps[0].Probe.UpAfter = 1, 1
	apply(t, s, world)
	actuator := s.Connect(schemas.Actuator, "")
	verdicts, presences := mirror(t, actuator, schemas.VerdictBucket), mirror(t, actuator, schemas.VantageBucket)
	start(t, settings(t, s, t.TempDir()))
	key := []string{"london", "shop", "tokyo"}
	up := await(t, verdicts, "up", health(schemas.Up), key...)
	await(t, presences, "a round of presence after it", func(p schemas.Presence) bool { return p.Sighted && p.At.After(up.At) }, "london")
	anchor.Close()
	app.Close()
	blind := await(t, verdicts, "a failed round", func(v schemas.Verdict) bool { return v.Round > up.Round && !v.Variants[0].OK }, key...)
	if p, _ := presences.Get("london"); !p.Value.Sighted {
		t.Fatalf("the presence was renewed before the round, which makes this test worthless")
	}
	if blind.Health != schemas.Blind {
		t.Errorf("the vantage says %s of the region, though its anchor was gone too, want blind", blind.Health)
	}
}

func TestTopologyChangeKeepsTheRoundsOfWhatStays(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	app := startApp(t)
	world := topology(beat/4, schemas.Endpoint{Variant: "single", TCP: app.address()}, schemas.Endpoint{Variant: "slim", TCP: app.address()})
	apply(t, s, world)
	start(t, settings(t, s, t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	recorder := s.Connect(schemas.Recorder, "")
	// The first change leaves the cell alone, the second changes it, the third gives it another address; every sample carries the topology it was taken under.
	hashes := map[string]bool{}
	enough := func(b []*schemas.SampleBatch) bool {
		hashes[b[len(b)-1].Topology] = true
		return hashes[world.Hash()] && b[len(b)-1].Topology == world.Hash() && newest(b).After(time.Now().Add(-time.Second))
	}
	stored(ctx, t, recorder, enough)
	world.Regions = append(world.Regions, schemas.Region{Name: "dallas"})
	apply(t, s, world)
	stored(ctx, t, recorder, enough)
	world.Apps[0].Probe.DownAfter = 5
	apply(t, s, world)
	stored(ctx, t, recorder, enough)
	world.Apps[0].Endpoints[1].TCP = startApp(t).address()
	apply(t, s, world)
	batches := stored(ctx, t, recorder, enough)
	identities(t, batches, beat/4)
	if len(hashes) != 4 {
		t.Errorf("samples were taken under %d topologies, want 4", len(hashes))
	}
}

// changes are the changes of health so far.
func changes(t *testing.T, s *bustest.Server) []schemas.HealthChanged {
	t.Helper()
	gateway := s.Connect(schemas.Gateway, "")
	state, err := gateway.State(t.Context(), schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all []schemas.HealthChanged
	_ = gateway.Tail(ctx, schemas.Events, 1, nil, func(m bus.Message) error {
		if e, err := schemas.HealthChangedTopic.Decode(m.Subject, m.Data); err == nil {
			all = append(all, e)
		}
		if m.Sequence >= state.Last {
			stop()
		}
		return nil
	})
	return all
}
