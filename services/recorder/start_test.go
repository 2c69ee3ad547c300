package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder"
	"github.com/leeward-failover/leeward/services/recorder/internal/partition"
)

func TestSettingsAreRefusedAllAtOnce(t *testing.T) {
	env := map[string]string{"LEEWARD_FLUSH_ROWS": "2000000", "LEEWARD_FLUSH_INTERVAL": "soon", "LEEWARD_CLICKHOUSE_DSN": "file:/none"}
	err := recorder.Run(t.Context(), daemon.NewProcess("recorder", nil, func(name string) string { return env[name] }, io.Discard, io.Discard))
	for _, name := range []string{"LEEWARD_NATS_URL", "LEEWARD_NATS_SEED", "LEEWARD_FLUSH_ROWS", "LEEWARD_FLUSH_INTERVAL", "LEEWARD_CLICKHOUSE_DSN"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestClickHouseThatComesLateIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.engine.Kill()
	w.run(nil)
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	if err := publish(t.Context(), prober, batch("tokyo", 1, 100, time.Now())); err != nil {
		t.Fatal(err)
	}
	w.until(func() error {
		if status, body := w.ready(); status != http.StatusServiceUnavailable || !strings.Contains(body, "ClickHouse: ") || !strings.Contains(body, "refused") {
			return fmt.Errorf("/readyz: %d %s, want 503 and the reason", status, body)
		}
		return nil
	})
	w.engine.Restart()
	w.wantOnce(100)
	w.untilReady()
}

func TestSecondRecorderStopsAndTheFirstGoesOn(t *testing.T) {
	w := newWorld(t)
	_, first := w.run(nil)
	_, second := w.run(map[string]string{"LEEWARD_HEALTH_ADDR": freeAddr(t)})
	w.untilReady()
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	var published uint64
	send := func() {
		if err := publish(t.Context(), prober, batch("tokyo", published/10+1, 10, time.Now())); err != nil {
			t.Fatal(err)
		}
		published += 10
	}
	var ended error
	for deadline := time.After(patience); ended == nil; {
		send()
		select {
		case ended = <-first:
		case ended = <-second:
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("both recorders write one partition")
		}
	}
	if !errors.Is(ended, partition.ErrOvertaken) {
		t.Errorf("the loser ended with %v, want %v", ended, partition.ErrOvertaken)
	}
	send()
	w.wantOnce(published)
}

func TestStreamMadeAnewIsRecordedFromItsStart(t *testing.T) {
	w := newWorld(t)
	intent := schemas.InsertIntent{Partition: "samples-0", Incarnation: "of the stream before", First: 1, Last: 1000, Rows: 1, State: "before", Owner: "gone", At: time.Now()}
	if _, err := bus.Put(t.Context(), w.bus.Connect(schemas.Recorder, ""), schemas.IntentBucket, intent, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
	prober := w.bus.Connect(schemas.Prober, "tokyo")
	if err := publish(t.Context(), prober, batch("tokyo", 1, 100, time.Now())); err != nil {
		t.Fatal(err)
	}
	stop, ended := w.run(nil)
	w.wantOnce(100)

	// And told to stop, a recorder ends well.
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v, want context canceled", err)
	}
}

func TestWhatCanNotBeReadBecomesALetterAndTheRestFlows(t *testing.T) {
	w := newWorld(t)
	w.run(nil)
	prober, ranker := w.bus.Connect(schemas.Prober, "tokyo"), w.bus.Connect(schemas.Ranker, "")
	gateway, builder := w.bus.Connect(schemas.Gateway, ""), w.bus.Connect(schemas.Builder, "")
	late, err := batch("tokyo", 9, 1, time.Now().Add(-30*24*time.Hour)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range []struct {
		bus     *bus.Bus
		subject string
		data    string
	}{
		{prober, schemas.SampleSubject("tokyo"), "no protobuf"},
		{prober, schemas.SampleSubject("tokyo"), string(late)},
		{ranker, schemas.EvaluationSubject("shop"), "\xff\xff"},
		{gateway, "leeward.alert.received.v1.shop.x", "{no JSON"},
		{builder, "leeward.build.finished.v1.shop.slim", `{"app":"shop","outcome":"unheard of"}`},
	} {
		if err := m.bus.PublishRaw(t.Context(), m.subject, fmt.Sprint("bad-", i), []byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish(t.Context(), prober, batch("tokyo", 1, 100, time.Now())); err != nil {
		t.Fatal(err)
	}
	w.wantOnce(100)
	w.eventually(1, "SELECT count() FROM events WHERE app = 'shop' AND type = 'leeward.build.finished.v1'")
	setup := w.bus.Connect(schemas.Setup, "")
	w.until(func() error {
		state, err := setup.State(t.Context(), schemas.Letters)
		if err == nil && state.Messages != 5 {
			err = fmt.Errorf("%d letters, want 5", state.Messages)
		}
		return err
	})
	letter, err := setup.Last(t.Context(), schemas.Letters, "leeward.letter.rejected.v1.recorder.SAMPLES")
	if err != nil {
		t.Fatal(err)
	}
	if origin, reason := letter.Header.Get("Leeward-Origin"), letter.Header.Get("Leeward-Reason"); origin != "SAMPLES:2:"+schemas.SampleSubject("tokyo") || !strings.Contains(reason, "the due time") {
		t.Errorf("letter from %q because %q", origin, reason)
	}
}
