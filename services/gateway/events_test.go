package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// sse is an open stream of events.
type sse struct {
	t     *testing.T
	lines *bufio.Scanner
	drop  func()
}

// open opens the stream after the event with an id, or at its end.
func (g instance) open(last uint64) sse {
	g.t.Helper()
	ctx, drop := context.WithTimeout(g.t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/v1/events", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	if last > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(last, 10))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { drop(); _ = resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		g.t.Fatalf("stream = %d %s", resp.StatusCode, got)
	}
	return sse{g.t, bufio.NewScanner(resp.Body), drop}
}

// next returns the fields of the next event.
func (s sse) next() map[string]string {
	s.t.Helper()
	fields := map[string]string{}
	for s.lines.Scan() {
		line := s.lines.Text()
		if line == "" && len(fields) > 0 {
			return fields
		}
		if name, value, ok := strings.Cut(line, ": "); ok && name != "" {
			fields[name] = value
		}
	}
	s.t.Fatalf("the stream ended: %v", s.lines.Err())
	return nil
}

func TestEventsArriveAndNoneIsLostWhenTheConnectionDrops(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology(newRegistry(t)))
	send := func(i int) {
		if r := g.hook(alertmanagerHook, alert(t, fmt.Sprint("f", i), "firing", map[string]string{"alertname": "RegionDown", "region": "r0"})); r.status != http.StatusAccepted {
			t.Fatalf("alert %d = %d %s", i, r.status, r.body)
		}
	}
	stream := g.open(0)
	var last uint64
	receive := func(i int) {
		t.Helper()
		fields := stream.next()
		var e struct {
			Sequence              uint64
			Type, Subject, Source string
			Payload               schemas.AlertReceived
		}
		if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil {
			t.Fatalf("%v: %v", fields, err)
		}
		if e.Payload.Fingerprint != fmt.Sprint("f", i) || fields["id"] != fmt.Sprint(e.Sequence) || fields["event"] != "leeward.alert.received.v1" || e.Type != fields["event"] ||
			e.Source != "leeward/gateway" || e.Subject != "leeward.alert.received.v1.shop.r0" {
			t.Errorf("event %d arrived as %v", i, fields)
		}
		last = e.Sequence
	}
	for i := range 3 {
		send(i)
		receive(i)
	}
	stream.drop()
	for i := 3; i < 6; i++ {
		send(i)
	}
	stream = g.open(last)
	for i := 3; i < 6; i++ {
		receive(i)
	}
	// The bus may go and come back under an open stream too.
	s.Restart()
	g.await("the bus", func() bool { return g.call(http.MethodGet, "/readyz", nil, nil).status == http.StatusOK })
	send(6)
	receive(6)
}

func TestStreamRefusesAPlaceThatIsNoNumber(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	for _, r := range []reply{g.call(http.MethodGet, "/v1/events?from=yesterday", nil, nil), g.call(http.MethodGet, "/v1/events", map[string]string{"Last-Event-ID": "-1"}, nil)} {
		if r.status != http.StatusUnprocessableEntity {
			t.Errorf("stream = %d %s", r.status, r.body)
		}
	}
}

func TestStreamSaysThatTheBusIsAwayRatherThanHang(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	s.Stop()
	if r := g.call(http.MethodGet, "/v1/events", nil, nil); r.status != http.StatusServiceUnavailable {
		t.Errorf("stream without a bus = %d %s", r.status, r.body)
	}
}
