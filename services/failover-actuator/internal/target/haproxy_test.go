package target_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/haproxytest"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/target"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

var (
	frankfurt = schemas.Candidate{Region: "frankfurt", Variant: "slim"}
	london    = schemas.Candidate{Region: "london", Variant: "slim"}
	tokyo     = schemas.Candidate{Region: "tokyo", Variant: "slim"}
)

// start runs HAProxy with everything on frankfurt.
func start(t *testing.T) (*haproxytest.HAProxy, *haproxytest.Relay, target.Target) {
	t.Helper()
	h := haproxytest.Start(t,
		haproxytest.Server{Name: "fra", Addr: "127.0.0.1:1", Weight: 100},
		haproxytest.Server{Name: "lon", Addr: "127.0.0.1:2"}, haproxytest.Server{Name: "tyo", Addr: "127.0.0.1:3"})
	r := haproxytest.NewRelay(t, h.Socket)
	return h, r, target.HAProxy{Label: "entry", Config: schemas.HAProxyTarget{Socket: r.Socket, Backend: haproxytest.Backend, Servers: []schemas.HAProxyServer{
		{Region: "frankfurt", Variant: "slim", Server: "fra"}, {Region: "london", Variant: "slim", Server: "lon"}, {Region: "tokyo", Variant: "slim", Server: "tyo"},
	}}}
}

func expect(t *testing.T, h target.Target, want weight.Set) {
	t.Helper()
	got, err := h.Read(t.Context())
	if err != nil || !got.Equal(want) {
		t.Errorf("weights are %q (%v), want %q", got, err, want)
	}
}

func TestTargetAppliesAChangeOnceAndAddsBeforeItTakesAway(t *testing.T) {
	_, relay, h := start(t)
	change := target.Change{Expected: weight.All(frankfurt), Next: weight.All(london)}
	for range 2 {
		if outcome, err := h.Apply(t.Context(), change); outcome != target.Applied || err != nil {
			t.Fatalf("apply = %s, %v", outcome, err)
		}
	}
	expect(t, h, weight.All(london))
	want := "set server shop/lon weight 100; set server shop/fra weight 0"
	if got := strings.Join(relay.Changes(), "\n"); got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestTargetSharesByWeight(t *testing.T) {
	_, _, h := start(t)
	steps := []weight.Set{weight.All(frankfurt), weight.Moved(frankfurt, tokyo, 5), weight.Moved(frankfurt, tokyo, 50), weight.All(tokyo)}
	for n := 1; n < len(steps); n++ {
		if outcome, err := h.Apply(t.Context(), target.Change{Expected: steps[n-1], Next: steps[n]}); outcome != target.Applied {
			t.Fatalf("apply %s = %s, %v", steps[n], outcome, err)
		}
		expect(t, h, steps[n])
	}
}

func TestTargetRefusesWhatItMustNotDo(t *testing.T) {
	_, relay, h := start(t)
	for name, c := range map[string]struct {
		change target.Change
		says   string
	}{
		"set by someone else": {target.Change{Expected: weight.All(tokyo), Next: weight.All(london)}, "set by someone else"},
		"nobody left":         {target.Change{Expected: weight.All(frankfurt), Next: weight.Set{london: 0}}, "no candidate would get any traffic"},
		"too much":            {target.Change{Expected: weight.All(frankfurt), Next: weight.Set{london: 101}}, "not between"},
		"no such server":      {target.Change{Expected: weight.All(frankfurt), Next: weight.All(schemas.Candidate{Region: "paris", Variant: "slim"})}, "no server stands for paris/slim"},
	} {
		outcome, err := h.Apply(t.Context(), c.change)
		if outcome != target.Conflict || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s = %s, %v; want a conflict that says %q", name, outcome, err, c.says)
		}
	}
	expect(t, h, weight.All(frankfurt))
	if sent := relay.Changes(); len(sent) > 0 {
		t.Errorf("sent %q", sent)
	}
}

func TestTargetKnowsWhatHappenedThoughTheReplyIsLost(t *testing.T) {
	_, relay, h := start(t)
	change := target.Change{Expected: weight.All(frankfurt), Next: weight.All(london)}
	relay.Before(func(string) bool { return false })
	if outcome, err := h.Apply(t.Context(), change); outcome != target.Unknown || err == nil {
		t.Errorf("lost command = %s, %v; want unknown", outcome, err)
	}
	expect(t, h, weight.All(frankfurt))
	relay.Before(nil)
	hanging := make(chan struct{})
	defer close(hanging)
	relay.After(func(string) bool { <-hanging; return false })
	if outcome, err := h.Apply(t.Context(), change); outcome != target.Applied {
		t.Errorf("lost reply = %s, %v; want applied, as reading it back shows", outcome, err)
	}
}

func TestTargetThatIsAwayIsUnknown(t *testing.T) {
	h, _, entry := start(t)
	h.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if outcome, err := entry.Apply(ctx, target.Change{Expected: weight.All(frankfurt), Next: weight.All(london)}); outcome != target.Unknown || err == nil {
		t.Errorf("apply = %s, %v", outcome, err)
	}
	if _, err := entry.Read(ctx); err == nil || errors.Is(err, target.ErrConflict) {
		t.Errorf("read = %v", err)
	}
}

// TestTargetCountsRequestsNotConnections asks through one connection, and once more after a restart.
func TestTargetCountsRequestsNotConnections(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer app.Close()
	h := haproxytest.Start(t, haproxytest.Server{Name: "fra", Addr: strings.TrimPrefix(app.URL, "http://"), Weight: 100})
	entry := target.HAProxy{Label: "entry", Config: schemas.HAProxyTarget{Socket: h.Socket, Backend: haproxytest.Backend}}
	count := func(want uint64) {
		t.Helper()
		if got, err := entry.Requests(t.Context()); got != want || err != nil {
			t.Errorf("counted %d (%v), want %d", got, err, want)
		}
	}
	ask := func() {
		t.Helper()
		resp, err := http.Get(h.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	count(0)
	for range 7 {
		ask()
	}
	count(7)
	app.Close() // what can not be answered was asked for all the same
	ask()
	count(8)
	h.Restart()
	count(0)
	entry.Config.Backend = "shap"
	if _, err := entry.Requests(t.Context()); err == nil || !strings.Contains(err.Error(), "shap") {
		t.Errorf("a backend that is not there: %v", err)
	}
	h.Stop()
	if _, err := entry.Requests(t.Context()); err == nil {
		t.Error("counted though HAProxy is away")
	}
}
