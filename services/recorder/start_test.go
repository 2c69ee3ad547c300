package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder"
	"github.com/leeward-failover/leeward/services/recorder/internal/schema"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
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

func TestTwoRecordersShareThePartitionsAndOneTakesOverWhatADeadOneLeaves(t *testing.T) {
	w := newWorld(t)
	one := w.start(nil)
	w.untilReady()
	_, _ = w.run(map[string]string{"LEEWARD_HEALTH_ADDR": freeAddr(t)})
	leases := bus.NewMirror(w.bus.Connect(schemas.Recorder, ""), schemas.ShareBucket)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = leases.Run(ctx) }()
	held := func() map[string]int {
		count := map[string]int{}
		for _, e := range leases.All() {
			if !strings.HasPrefix(e.Value.Of, "recorder/") {
				count[e.Value.Holder]++
			}
		}
		return count
	}
	parts := len(schemas.Partitions())
	w.until(func() error {
		if got := slices.Sorted(maps.Values(held())); !slices.Equal(got, []int{parts / 2, parts - parts/2}) {
			return fmt.Errorf("the recorders hold %v of %d partitions, want a half each", got, parts)
		}
		return nil
	})
	probers := map[string]*bus.Bus{"tokyo": w.bus.Connect(schemas.Prober, "tokyo"), "frankfurt": w.bus.Connect(schemas.Prober, "frankfurt")}
	var published uint64
	send := func() {
		for vantage, b := range probers {
			if err := publish(t.Context(), b, batch(vantage, published/10+1, 10, time.Now())); err != nil {
				t.Fatal(err)
			}
			published += 10
		}
	}
	send()
	kill(one)
	send()
	w.until(func() error {
		if got := slices.Collect(maps.Values(held())); !slices.Equal(got, []int{parts}) {
			return fmt.Errorf("the recorders hold %v of %d partitions, want the one that is left to have all", got, parts)
		}
		return nil
	})
	send()
	w.wantOnce(published)
}

func TestStreamMadeAnewIsRecordedFromItsStart(t *testing.T) {
	w := newWorld(t)
	intent := schemas.InsertIntent{Partition: schemas.Partitions()[partitionOf("tokyo")].Name, Incarnation: "of the stream before", First: 1, Last: 1000, Rows: 1, State: "before", Owner: "gone", At: time.Now()}
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
	for i, m := range []struct {
		bus     *bus.Bus
		subject string
		data    string
	}{
		{prober, schemas.SampleSubject("tokyo"), "no protobuf"},
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
		if err == nil && state.Messages != 4 {
			err = fmt.Errorf("%d letters, want 4", state.Messages)
		}
		return err
	})
	letter, err := setup.Last(t.Context(), schemas.Letters, "leeward.letter.rejected.v1.recorder.SAMPLES")
	if err != nil {
		t.Fatal(err)
	}
	if origin, reason := letter.Header.Get("Leeward-Origin"), letter.Header.Get("Leeward-Reason"); origin != "SAMPLES:1:"+schemas.SampleSubject("tokyo") || reason == "" {
		t.Errorf("letter from %q because %q", origin, reason)
	}
}

// partitionOf is the number of the partition that a vantage's samples are in.
func partitionOf(vantage string) int {
	return int(strings.TrimPrefix(schemas.SampleSubject(vantage), schemas.SamplesSubject+".")[0] - '0')
}

func TestTablesKeepRowsAsLongAsTheSettingsSay(t *testing.T) {
	w := newWorld(t)
	stop, _ := w.run(map[string]string{"LEEWARD_RETENTION_SAMPLES": "48h"})
	w.untilReady()
	stop()
	ttl := func(table string) string {
		return w.line("SELECT extract(engine_full, 'TTL ([^ ]+ \\\\+ [^ ]+)') FROM system.tables WHERE database = currentDatabase() AND name = '" + table + "'")
	}
	if got, want := ttl("samples"), `["toDateTime(due) + toIntervalHour(48)"]`; got != want {
		t.Errorf("samples: %s, want %s", got, want)
	}
	for _, r := range schema.Retentions {
		if want := fmt.Sprintf("toIntervalHour(%d)", r.Default/time.Hour); r.Table != "samples" && !strings.Contains(ttl(r.Table), want) {
			t.Errorf("%s: %s, want %s", r.Table, ttl(r.Table), want)
		}
	}
	// And back.
	w.run(nil)
	w.untilReady()
	if got, want := ttl("samples"), `["toDateTime(due) + toIntervalHour(336)"]`; got != want {
		t.Errorf("samples: %s, want %s", got, want)
	}
}

// TestLagGrowsWhileClickHouseIsAway holds that the figure the alert looks at does not stand still with the insert that it is about.
func TestLagGrowsWhileClickHouseIsAway(t *testing.T) {
	w := newWorld(t)
	w.run(nil)
	w.untilReady()
	w.engine.Kill()
	if err := publish(t.Context(), w.bus.Connect(schemas.Prober, "tokyo"), batch("tokyo", 1, 100, time.Now())); err != nil {
		t.Fatal(err)
	}
	lag := regexp.MustCompile(`leeward_recorder_lag_seconds\{partition="` + schemas.Partitions()[partitionOf("tokyo")].Name + `"\} ([2-9]|\d\d)`)
	w.until(func() error {
		answer, err := http.Get("http://" + w.env["LEEWARD_HEALTH_ADDR"] + "/metrics")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); err != nil || !lag.Match(text) {
			return fmt.Errorf("no lag of two seconds in /metrics, %v", err)
		}
		return nil
	})
	w.engine.Restart()
	w.wantOnce(100)
}

// TestRollupsAreFilledAsTheViewsFillThem holds the statement that mends a rollup to the views that make it.
func TestRollupsAreFilledAsTheViewsFillThem(t *testing.T) {
	w := newWorld(t)
	w.run(nil)
	w.untilReady()
	if err := publish(t.Context(), w.bus.Connect(schemas.Prober, "tokyo"), batch("tokyo", 1, 500, time.Now())); err != nil {
		t.Fatal(err)
	}
	w.wantOnce(500)
	for _, u := range table.Rollups {
		rows := "SELECT " + u.Time + ", app, kind, vantage, region, variant, sum(samples), sum(failures), max(last_due), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(latency) FROM " + u.Table + " GROUP BY ALL ORDER BY ALL"
		all := "SELECT toString(groupArray(tuple(*))) FROM (" + rows + ")"
		want := w.line(all)
		// A minute's INSERT would make its hour's again.
		if err := w.db.Exec(t.Context(), "CREATE TABLE filled AS "+u.Table); err != nil {
			t.Fatal(err)
		}
		if err := w.db.Exec(t.Context(), strings.Replace(u.Fill("vantage = 'tokyo'"), "INSERT INTO "+u.Table, "INSERT INTO filled", 1)); err != nil {
			t.Fatal(err)
		}
		if got := w.line(strings.Replace(all, "FROM "+u.Table, "FROM filled", 1)); got != want || len(want) < 100 {
			t.Errorf("%s is filled with %s, the view makes %s", u.Table, got, want)
		}
		if err := w.db.Exec(t.Context(), "DROP TABLE filled SYNC"); err != nil {
			t.Fatal(err)
		}
	}
}
