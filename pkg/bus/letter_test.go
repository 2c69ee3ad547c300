package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// stored returns everything a stream holds.
func stored(t *testing.T, b *bus.Bus, stream string) []bus.Message {
	t.Helper()
	ctx := within(t, 10*time.Second)
	state, err := b.State(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	if state.Messages == 0 {
		return nil
	}
	var all []bus.Message
	end := errors.New("end")
	err = b.Tail(ctx, stream, 1, nil, func(m bus.Message) error {
		if all = append(all, m); m.Sequence == state.Last {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		t.Fatal(err)
	}
	return all
}

func letters(t *testing.T, b *bus.Bus, f bus.LetterFilter, limit int) []bus.Letter {
	t.Helper()
	all, err := b.Letters(within(t, 10*time.Second), f, limit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReplayedLetterIsTheMessageItWasAndComesBackMarkedWhenItIsRefusedAgain(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 20*time.Second)
	gateway, recorder := s.Connect(schemas.Gateway, ""), s.Connect(schemas.Recorder, "")
	broken := &nats.Msg{Subject: "leeward.failover.requested.v1.shop", Data: []byte("{"), Header: nats.Header{
		"ce-type": {"leeward.failover.requested.v1"}, "ce-source": {"leeward/gateway"}, "Nats-Msg-Id": {"one"},
	}}
	if _, err := rawConn(t, s, schemas.Gateway, "").PublishMsg(ctx, broken); err != nil {
		t.Fatal(err)
	}
	actuator := s.Connect(schemas.Actuator, "")
	// refused reads until the actuator has refused the message n times.
	refused := func(n int) bus.Letter {
		t.Helper()
		reading, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = bus.Consume(reading, actuator, schemas.FailoverRequestedTopic, "", func(context.Context, schemas.FailoverRequested) error { return nil })
		}()
		defer func() { stop(); <-ended }()
		for {
			state, err := gateway.State(ctx, schemas.Letters)
			if err != nil {
				t.Fatal(err)
			}
			if state.Last == uint64(n) {
				l, err := gateway.Letter(ctx, state.Last)
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	first := refused(1)
	if first.User != "failover-actuator" || first.Stream != schemas.Events || first.Origin != 1 || first.Subject != broken.Subject || string(first.Data) != "{" || first.Replayed != "" {
		t.Errorf("the letter is %+v", first)
	}
	for range 2 { // the second has no effect of its own
		if err := gateway.Replay(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := gateway.Letter(ctx, first.Sequence); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("the replayed letter: %v, want ErrNotFound", err)
	}
	all := stored(t, recorder, schemas.Events)
	if len(all) != 2 {
		t.Fatalf("%d events, want the first and one replay", len(all))
	}
	replayed := all[1]
	if replayed.Subject != broken.Subject || string(replayed.Data) != "{" || replayed.Header.Get("ce-source") != "leeward/gateway" || replayed.Header.Get("Leeward-Replayed") != "DLQ:1" {
		t.Errorf("replayed as %+v", replayed)
	}
	second := refused(2)
	if second.Replayed != "DLQ:1" || second.Origin != 2 || !second.Stored.Equal(first.Stored) || second.Header.Get("ce-type") != "leeward.failover.requested.v1" {
		t.Errorf("refused again it is %+v, first stored %v", second, first.Stored)
	}
	if err := gateway.DropLetter(ctx, second.Sequence); err != nil {
		t.Error(err)
	}
	if err := gateway.DropLetter(ctx, second.Sequence); err != nil {
		t.Errorf("dropped again: %v", err)
	}
	if left := letters(t, gateway, bus.LetterFilter{}, 10); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}

// TestReplayMakesNothingYounger: a request that nobody may act on any more is not acted on because it was replayed.
func TestReplayMakesNothingYounger(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	gateway := s.Connect(schemas.Gateway, "")
	subject, data, err := schemas.FailoverRequestedTopic.Encode(request("old"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := s.Connect(schemas.Recorder, "").Reject(ctx, bus.Message{Stream: schemas.Events, Sequence: 7, Subject: subject, Data: data, Stored: old}, errors.New("a newer form")); err != nil {
		t.Fatal(err)
	}
	l, err := gateway.Letter(ctx, 1)
	if err != nil || !l.Stored.Equal(old) {
		t.Fatalf("letter of %v, want %v: %v", l.Stored, old, err)
	}
	if err := gateway.Replay(ctx, l); err != nil {
		t.Fatal(err)
	}
	if err := bus.Publish(ctx, gateway, schemas.FailoverRequestedTopic, request("young")); err != nil {
		t.Fatal(err)
	}
	reading, stop := context.WithCancel(ctx)
	var got []string
	_ = bus.Consume(reading, s.Connect(schemas.Actuator, ""), schemas.FailoverRequestedTopic, "", func(_ context.Context, e schemas.FailoverRequested) error {
		got = append(got, e.Request)
		stop()
		return nil
	})
	if fmt.Sprint(got) != "[young]" {
		t.Errorf("acted on %v, want [young]", got)
	}
}

func TestLettersOfEveryStreamGoBackToIt(t *testing.T) {
	s := bustest.Start(t, "tokyo")
	ctx := within(t, 10*time.Second)
	gateway, recorder := s.Connect(schemas.Gateway, ""), s.Connect(schemas.Recorder, "")
	for stream, subject := range map[string]string{
		schemas.Samples: schemas.SampleSubject("tokyo"), schemas.Evaluations: schemas.EvaluationSubject("shop"), schemas.Events: "leeward.build.finished.v1.shop.slim",
	} {
		if err := recorder.Reject(ctx, bus.Message{Stream: stream, Sequence: 1, Subject: subject, Data: []byte{0, 1}, Stored: time.Now()}, errors.New("x")); err != nil {
			t.Fatal(err)
		}
		l := letters(t, gateway, bus.LetterFilter{Stream: stream}, 1)[0]
		if l.Size != 2 || l.Data != nil {
			t.Errorf("listed as %+v", l)
		}
		if l, err := gateway.Letter(ctx, l.Sequence); err != nil || gateway.Replay(ctx, l) != nil {
			t.Fatalf("%s: %v", stream, err)
		}
		all := stored(t, recorder, stream)
		if len(all) != 1 || all[0].Subject != subject || string(all[0].Data) != "\x00\x01" {
			t.Errorf("%s holds %+v", stream, all)
		}
	}
	if err := recorder.Reject(ctx, bus.Message{Stream: schemas.Events, Sequence: 2, Subject: "$KV.routes.shop", Data: []byte("x")}, errors.New("x")); err != nil {
		t.Fatal(err)
	}
	l := letters(t, gateway, bus.LetterFilter{}, 1)[0]
	if err := gateway.Replay(ctx, l); !errors.Is(err, bus.ErrNotReplayable) {
		t.Errorf("a letter from nowhere: %v, want ErrNotReplayable", err)
	}
	if len(letters(t, gateway, bus.LetterFilter{}, 5)) != 1 {
		t.Error("a letter that was not replayed is gone")
	}
}

func TestLettersAreListedNewestFirstThroughGapsAndFilters(t *testing.T) {
	s := bustest.Start(t, "tokyo")
	ctx := within(t, 20*time.Second)
	gateway, recorder, prober := s.Connect(schemas.Gateway, ""), s.Connect(schemas.Recorder, ""), s.Connect(schemas.Prober, "tokyo")
	if got := letters(t, gateway, bus.LetterFilter{}, 5); len(got) != 0 {
		t.Errorf("none is %+v", got)
	}
	if err := prober.Reject(ctx, bus.Message{Stream: schemas.Events, Sequence: 1, Subject: "leeward.probe.requested.v1.x"}, errors.New("x")); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(300) {
		if err := recorder.Reject(ctx, bus.Message{Stream: schemas.Samples, Sequence: i, Subject: schemas.SampleSubject("tokyo")}, errors.New("x")); err != nil {
			t.Fatal(err)
		}
	}
	for sequence := uint64(296); sequence < 302; sequence++ {
		if err := gateway.DropLetter(ctx, sequence); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		filter      bus.LetterFilter
		limit       int
		want, first uint64
	}{
		{bus.LetterFilter{}, 3, 3, 295},
		{bus.LetterFilter{}, 1000, 295, 295},
		{bus.LetterFilter{User: "prober-tokyo"}, 3, 1, 1},
		{bus.LetterFilter{Stream: schemas.Events}, 3, 1, 1},
		{bus.LetterFilter{User: "recorder", Stream: schemas.Samples}, 200, 200, 295},
		{bus.LetterFilter{User: "recorder", Stream: schemas.Events}, 200, 0, 0},
		{bus.LetterFilter{User: "*.>"}, 200, 0, 0},
	} {
		got := letters(t, gateway, c.filter, c.limit)
		if uint64(len(got)) != c.want || c.want > 0 && got[0].Sequence != c.first {
			t.Errorf("%+v: %d letters, want %d from %d", c.filter, len(got), c.want, c.first)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Sequence >= got[i-1].Sequence {
				t.Fatalf("%+v: letter %d stands behind %d", c.filter, got[i].Sequence, got[i-1].Sequence)
			}
		}
	}
}

// TestStreamsMadeBeforeThereWasReplayLearnIt as the setup user of a newer version comes by.
func TestStreamsMadeBeforeThereWasReplayLearnIt(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	js := rawConn(t, s, schemas.Setup, "")
	stream, err := js.Stream(ctx, schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.SubjectTransform = nil
	for _, c := range schemas.Streams() {
		if c.Name == schemas.Events {
			config.Subjects = c.Subjects
		}
	}
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(schemas.Setup, "").Create(ctx, nil); err != nil {
		t.Fatal(err)
	}
	gateway := rawConn(t, s, schemas.Gateway, "")
	ack, err := gateway.Publish(ctx, "leeward.letter.replayed.v1.EVENTS.build.finished.v1.shop.slim", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetMsg(ctx, ack.Sequence)
	if err != nil || m.Subject != "leeward.build.finished.v1.shop.slim" {
		t.Errorf("stored as %+v: %v", m, err)
	}
	// What the gateway has no business with has no door, through replay or past it.
	for _, subject := range []string{"leeward.build.finished.v1.shop.slim", "leeward.letter.replayed.v1.EVENTS.samples.measured.v1.0.tokyo", "leeward.letter.replayed.v1.KV_routes.x"} {
		one, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		if _, err := gateway.Publish(one, subject, nil, jetstream.WithRetryAttempts(0)); err == nil {
			t.Errorf("the gateway published %s", subject)
		}
		cancel()
	}
}

func TestLettersOfTwoDomainsAreTwo(t *testing.T) {
	s := bustest.Start(t)
	ctx := within(t, 10*time.Second)
	recorder, gateway := s.Connect(schemas.Recorder, ""), s.Connect(schemas.Gateway, "")
	for _, domain := range []string{"", "tokyo", "london", "tokyo"} {
		m := bus.Message{Domain: domain, Stream: schemas.Samples, Sequence: 7, Subject: schemas.SampleSubject("tokyo"), Data: []byte("x")}
		if err := recorder.Reject(ctx, m, errors.New("unreadable")); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := gateway.Letters(ctx, bus.LetterFilter{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range letters {
		got = append(got, l.Domain)
		if l.Origin != 7 || l.Stream != schemas.Samples || len(l.Header) > 0 {
			t.Errorf("letter %+v, want message 7 of %s", l, schemas.Samples)
		}
	}
	if want := []string{"london", "tokyo", ""}; !slices.Equal(got, want) {
		t.Errorf("letters from %q, want %q", got, want)
	}
}
