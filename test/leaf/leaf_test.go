// Package leaf_test runs what deploy/nats describes: a hub of three NATS servers and the leaf of a region, whose way to the hub is cut.
package leaf_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober"
)

func TestHubHoldsThreeCopiesAndTheLeafADomainOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.create()
	hub := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Setup})
	names := []string{}
	for _, s := range schemas.Streams() {
		names = append(names, s.Name)
	}
	for _, b := range schemas.Buckets() {
		names = append(names, schemas.BucketStream(b.Name))
	}
	// Without a number of copies what is there stays as it is.
	if err := hub.Create(t.Context(), vantages); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if state, err := hub.State(t.Context(), name); err != nil || state.Replicas != 3 {
			t.Errorf("%s: %d copies, %v, want 3", name, state.Replicas, err)
		}
	}
	recorder := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Recorder})
	there, err := recorder.In("tokyo")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := recorder.State(t.Context(), schemas.Samples)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := there.State(t.Context(), schemas.Samples)
	if err != nil {
		t.Fatal(err)
	}
	if theirs.Incarnation == "" || theirs.Incarnation == ours.Incarnation || theirs.Replicas != 1 {
		t.Errorf("the leaf's samples are %+v, the hub's %+v", theirs, ours)
	}
	if _, err := w.connect(bus.Options{URL: w.leafURL(), Service: schemas.Setup}).State(t.Context(), schemas.Events); err == nil {
		t.Error("the leaf holds events")
	}
}

// TestProberAtALeafWorksThroughIt runs a real prober with its rights at the leaf: topology, verdicts and events are the hub's, samples the leaf's.
func TestProberAtALeafWorksThroughIt(t *testing.T) {
	w := newWorld(t)
	w.create()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	const round = 200 * time.Millisecond
	topology := schemas.Topology{
		Version: 1, Regions: []schemas.Region{{Name: "london"}, {Name: "tokyo"}}, Vantages: []schemas.Vantage{{Name: "tokyo", Region: "tokyo"}},
		Apps: []schemas.App{{Name: "shop", Variants: []schemas.Variant{{Name: "slim"}}, Objective: schemas.Objective{Kind: "http"},
			Endpoints: []schemas.Endpoint{{Region: "london", Variant: "slim", HTTP: app.URL}},
			Probe:     schemas.Probe{Interval: schemas.Duration(round), Timeout: schemas.Duration(4 * round / 5), DownAfter: 3, UpAfter: 2}}},
	}
	gateway := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Gateway})
	for _, part := range topology.Parts("test", time.Now()) {
		if _, err := bus.Put(ctx, gateway, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	w.run("prober", prober.Run, map[string]string{
		"LEEWARD_NATS_URL": w.leafURL(), "LEEWARD_NATS_HUB": schemas.HubDomain, "LEEWARD_NATS_SEED": w.seed(schemas.Prober, "tokyo"), "LEEWARD_VANTAGE": "tokyo", "LEEWARD_PROBE_ALLOW": "127.0.0.0/8",
		"LEEWARD_HEALTH_ADDR": freeAddr(t), "LEEWARD_SPOOL_DIR": t.TempDir(),
	})

	ranker := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Ranker})
	w.until("a verdict at the hub", func() error {
		e, err := bus.Get(ctx, ranker, schemas.VerdictBucket, "tokyo", "shop", "london")
		if err == nil && e.Value.Health != schemas.Up {
			err = fmt.Errorf("health is %s", e.Value.Health)
		}
		return err
	})
	w.until("the presence at the hub", func() error {
		_, err := bus.Get(ctx, ranker, schemas.VantageBucket, "tokyo")
		return err
	})
	recorder := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Recorder})
	w.until("an event at the hub", func() error {
		_, err := recorder.Last(ctx, schemas.Events, "leeward.health.changed.v1.shop.london.tokyo")
		return err
	})
	w.samplesStayed(ctx, recorder)

	// A request is read from the hub's stream, answered for there, and not offered again.
	actuator := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Actuator})
	if err := bus.Publish(ctx, actuator, schemas.ProbeRequestedTopic, schemas.ProbeRequested{Incident: "i1", App: "shop", Region: "london", Reason: "test", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	w.until("the request's acknowledgement", func() error {
		info, err := w.consumer(ctx, schemas.Events, schemas.ProbeRequestedTopic.Contract().Durable(schemas.Prober, "tokyo"))
		if err == nil && (info.NumAckPending > 0 || info.AckFloor.Consumer == 0) {
			err = fmt.Errorf("%d requests are open, %d were answered", info.NumAckPending, info.AckFloor.Consumer)
		}
		return err
	})
}

// consumer looks at a durable consumer of the hub's with the rights of the setup.
func (w *world) consumer(ctx context.Context, stream, name string) (*jetstream.ConsumerInfo, error) {
	nkey, err := nats.NkeyOptionFromSeed(w.seed(schemas.Setup, ""))
	if err != nil {
		return nil, err
	}
	conn, err := nats.Connect(w.hubURL(), nkey, nats.CustomInboxPrefix(schemas.InboxPrefix(string(schemas.Setup))))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	consumer, err := js.Consumer(ctx, stream, name)
	if err != nil {
		return nil, err
	}
	return consumer.CachedInfo(), nil
}

// samplesStayed waits for samples in the leaf's domain and makes sure that there are none of them in the hub's.
func (w *world) samplesStayed(ctx context.Context, recorder *bus.Bus) {
	w.Helper()
	tokyo, err := recorder.In("tokyo")
	if err != nil {
		w.Fatal(err)
	}
	w.until("samples at the leaf", func() error {
		_, err := tokyo.Last(ctx, schemas.Samples, schemas.SampleSubject("tokyo"))
		return err
	})
	if m, err := recorder.Last(ctx, schemas.Samples, schemas.SampleSubject("tokyo")); !errors.Is(err, bus.ErrNotFound) {
		w.Errorf("the hub has a batch of tokyo's, %d: %v", m.Sequence, err)
	}
	if m, err := tokyo.Last(ctx, schemas.Samples, schemas.SampleSubject("frankfurt")); !errors.Is(err, bus.ErrNotFound) {
		w.Errorf("the leaf has a batch of frankfurt's, %d: %v", m.Sequence, err)
	}
}
