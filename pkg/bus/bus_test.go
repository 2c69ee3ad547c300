package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

func request(id string) schemas.FailoverRequested {
	return schemas.FailoverRequested{Request: id, App: "shop", Actor: "ada", Reason: "test", At: time.Now()}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestEventReachesItsReaderOnceThoughSentTwice(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	gateway, actuator := s.Connect(schemas.Gateway, ""), s.Connect(schemas.Actuator, "")
	for _, id := range []string{"one", "one", "two"} {
		if err := bus.Publish(ctx, gateway, schemas.FailoverRequestedTopic, request(id)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	done := errors.New("done")
	reading, stop := context.WithCancelCause(ctx)
	_ = bus.Consume(reading, actuator, schemas.FailoverRequestedTopic, "", func(_ context.Context, e schemas.FailoverRequested) error {
		if got = append(got, e.Request); e.Request == "two" {
			stop(done)
		}
		return nil
	})
	if want := "[one two]"; fmt.Sprint(got) != want || !errors.Is(context.Cause(reading), done) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEventsReadTogetherDoNotWaitForEachOther(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	gateway := s.Connect(schemas.Gateway, "")
	for _, id := range []string{"waits", "comes"} {
		if err := bus.Publish(ctx, gateway, schemas.FailoverRequestedTopic, request(id)); err != nil {
			t.Fatal(err)
		}
	}
	came, reading := make(chan struct{}), within(t, 10*time.Second)
	reading, stop := context.WithCancel(reading)
	waited := false
	_ = bus.ConsumeTogether(reading, s.Connect(schemas.Actuator, ""), schemas.FailoverRequestedTopic, "", func(ctx context.Context, e schemas.FailoverRequested) error {
		if e.Request == "comes" {
			close(came)
			return nil
		}
		select {
		case <-came:
			waited = true
			stop()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if !waited {
		t.Error("the second event was not handled while the first waited")
	}
}

func TestUnreadableEventGoesToTheDeadLettersAndTheNextIsRead(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	setup := s.Connect(schemas.Gateway, "")
	raw := rawConn(t, s, schemas.Gateway, "")
	if _, err := raw.PublishMsg(ctx, &nats.Msg{Subject: "leeward.failover.requested.v1.shop", Data: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if err := bus.Publish(ctx, setup, schemas.FailoverRequestedTopic, request("good")); err != nil {
		t.Fatal(err)
	}
	reading, stop := context.WithCancel(ctx)
	got := ""
	_ = bus.Consume(reading, s.Connect(schemas.Actuator, ""), schemas.FailoverRequestedTopic, "", func(_ context.Context, e schemas.FailoverRequested) error {
		got = e.Request
		stop()
		return nil
	})
	if got != "good" {
		t.Fatalf("read %q after the broken event, want good", got)
	}
	letters, err := rawConn(t, s, schemas.Setup, "").Stream(ctx, schemas.Letters)
	if err != nil {
		t.Fatal(err)
	}
	if n := letters.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

func TestMirrorSurvivesARestartAndForgetsWhatExpired(t *testing.T) {
	s := bustest.Start(t, "london")
	ctx := within(t, 20*time.Second)
	prober, actuator := s.Connect(schemas.Prober, "london"), s.Connect(schemas.Actuator, "")
	mirror := bus.NewMirror(actuator, schemas.VerdictBucket)
	go func() { _ = mirror.Run(ctx) }()
	verdict := schemas.Verdict{Vantage: "london", App: "shop", Region: "tokyo", Health: schemas.Up, Since: time.Now(), At: time.Now()}
	put := func(ttl time.Duration) {
		if _, err := bus.Put(ctx, prober, schemas.VerdictBucket, verdict, bus.Condition{TTL: ttl}); err != nil {
			t.Fatal(err)
		}
	}
	await := func(present bool) {
		t.Helper()
		for {
			changed := mirror.Changed()
			if _, ok := mirror.Get("london", "shop", "tokyo"); ok == present {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("waiting for present=%v: %v", present, ctx.Err())
			}
		}
	}
	put(time.Second)
	await(true)
	await(false)
	put(time.Hour)
	await(true)
	s.Restart()
	verdict.Health = schemas.Down
	put(time.Second)
	await(false)
}

func TestConditionalWriteRefusesAStaleWriter(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	b := s.Connect(schemas.Actuator, "")
	route := schemas.Route{App: "shop", Active: schemas.Candidate{Region: "london", Variant: "slim"}, Epoch: schemas.Epoch{Term: 1, N: 1}, Since: time.Now()}
	first, err := bus.Put(ctx, b, schemas.RouteBucket, route, bus.Condition{Revision: bus.At(0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Put(ctx, b, schemas.RouteBucket, route, bus.Condition{Revision: bus.At(first)}); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Put(ctx, b, schemas.RouteBucket, route, bus.Condition{Revision: bus.At(first)}); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("stale write = %v, want ErrConflict", err)
	}
	entry, err := bus.Get(ctx, b, schemas.RouteBucket, "shop")
	if err != nil || entry.Value.Epoch != route.Epoch {
		t.Errorf("read back %+v, %v", entry, err)
	}
	if _, err := bus.Get(ctx, b, schemas.RouteBucket, "nobody"); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("missing key = %v, want ErrNotFound", err)
	}
}

func TestTailReadsEveryMessageInOrderAcrossARestart(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 30*time.Second)
	gateway, recorder := s.Connect(schemas.Gateway, ""), s.Connect(schemas.Recorder, "")
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			if err := bus.Publish(ctx, gateway, schemas.FailoverRequestedTopic, request(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		}
	}
	publish(0, 50)
	reading, stop := context.WithCancel(ctx)
	var last uint64
	err := recorder.Tail(reading, schemas.Events, 11, nil, func(m bus.Message) error {
		if want := max(last+1, 11); m.Sequence != want {
			return fmt.Errorf("sequence %d, want %d", m.Sequence, want)
		}
		switch last = m.Sequence; last {
		case 50:
			s.Restart()
			go publish(50, 60)
		case 60:
			stop()
		}
		return nil
	})
	if last != 60 || !errors.Is(err, context.Canceled) {
		t.Errorf("read up to %d, want 60: %v", last, err)
	}
}

// TestServerRefusesWhatTheTableDoesNotGrant tries, for every user, one subject to publish to and one to listen to that belong to someone else.
func TestServerRefusesWhatTheTableDoesNotGrant(t *testing.T) {
	s := bustest.Start(t, "london", "tokyo")
	for _, c := range []struct {
		service            schemas.Service
		vantage            string
		publish, subscribe string
	}{
		{schemas.Gateway, "", "$KV.routes.shop", "leeward.>"},
		{schemas.Builder, "", "leeward.failover.requested.v1.shop", "_INBOX_gateway.>"},
		{schemas.Prober, "london", schemas.SampleSubject("tokyo"), "leeward.samples.>"},
		{schemas.Prober, "tokyo", "$KV.verdicts.london.shop.tokyo", "$KV.routes.>"},
		{schemas.Recorder, "", "leeward.alert.received.v1.shop.tokyo", "leeward.>"},
		{schemas.Ranker, "", "$KV.images.shop.slim.tokyo", "$KV.>"},
		{schemas.Actuator, "", "$KV.verdicts.london.shop.tokyo", "leeward.>"},
		{schemas.Actuator, "", "$JS.API.STREAM.PURGE.EVENTS", ">"},
		{schemas.Recorder, "", "$JS.API.STREAM.DELETE.SAMPLES", "$JS.API.>"},
		{schemas.Runtime, "", "$KV.images.shop.slim.tokyo", "$KV.images.>"},
		{schemas.Setup, "", "leeward.image.pushed.v1.base", "leeward.>"},
	} {
		t.Run(schemas.UserName(c.service, c.vantage), func(t *testing.T) {
			refused := make(chan error, 4)
			conn := dial(t, s, c.service, c.vantage, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
			expect := func(what string) {
				select {
				case err := <-refused:
					if !errors.Is(err, nats.ErrPermissionViolation) {
						t.Errorf("%s: %v, want a permission violation", what, err)
					}
				case <-time.After(2 * time.Second):
					t.Errorf("%s was not refused", what)
				}
			}
			_ = conn.Publish(c.publish, []byte("x"))
			_ = conn.Flush()
			expect("publishing " + c.publish)
			_, _ = conn.SubscribeSync(c.subscribe)
			_ = conn.Flush()
			expect("subscribing " + c.subscribe)
		})
	}
}

func dial(t *testing.T, s *bustest.Server, service schemas.Service, vantage string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nkey, err := nats.NkeyOptionFromSeed(s.Seed(service, vantage))
	if err != nil {
		t.Fatal(err)
	}
	user := schemas.UserName(service, vantage)
	conn, err := nats.Connect(s.URL(), append(options, nkey, nats.CustomInboxPrefix(schemas.InboxPrefix(user)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func rawConn(t *testing.T, s *bustest.Server, service schemas.Service, vantage string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(dial(t, s, service, vantage))
	if err != nil {
		t.Fatal(err)
	}
	return js
}
