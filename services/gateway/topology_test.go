package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// changed reads whether an apply changed anything.
func (r reply) changed(t *testing.T) bool {
	t.Helper()
	var out struct{ Changed bool }
	if err := json.Unmarshal([]byte(r.body), &out); err != nil || r.status != http.StatusOK {
		t.Fatalf("apply = %d %s", r.status, r.body)
	}
	return out.Changed
}

func TestTopologyIsReplacedOnlyByWhoKnowsWhatItReplaces(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	first, second := topology("http://127.0.0.1:1"), topology("http://127.0.0.1:2")
	if r := g.call(http.MethodGet, "/v1/topology", nil, nil); r.status != http.StatusNotFound {
		t.Errorf("before the first = %d", r.status)
	}
	for _, authorization := range []string{"", "Bearer wrong", "Bearer s3cret"} {
		r := g.call(http.MethodPut, "/v1/topology", map[string]string{"Authorization": authorization}, []byte(first))
		if r.status != http.StatusUnauthorized {
			t.Errorf("with %q = %d", authorization, r.status)
		}
		r.problem(t)
	}
	applied := g.put(first, "")
	if !applied.changed(t) {
		t.Error("the first topology changed nothing")
	}
	hash := applied.header.Get("ETag")
	if r := g.put(second, ""); r.status != http.StatusPreconditionRequired {
		t.Errorf("without If-Match = %d", r.status)
	}
	if r := g.put(second, `"0123456789abcdef"`); r.status != http.StatusPreconditionFailed {
		t.Errorf("with another's hash = %d", r.status)
	}
	if g.put("# only a comment\n"+first, hash).changed(t) {
		t.Error("the same content changed something")
	}
	g.await("the first topology", func() bool { return g.current() == hash })
	if !g.put(second, hash).changed(t) || !g.put(first, "*").changed(t) {
		t.Error("other content changed nothing")
	}
	g.await("the first topology again", func() bool { return g.current() == hash })
	if got := all(newLedger(t, s), schemas.TopologyChangedTopic); len(got) != 3 || got[2].Hash != strings.Trim(hash, `"`) || got[2].Previous != got[1].Hash {
		t.Errorf("stored %+v, want three changes", got)
	}
}

func TestGatewayWithoutATokenTakesNoTopology(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), map[string]string{"LEEWARD_API_TOKEN": ""})
	for _, authorization := range []string{"", "Bearer ", "Bearer t0ken"} {
		if r := g.call(http.MethodPut, "/v1/topology", map[string]string{"Authorization": authorization}, []byte(topology("http://127.0.0.1:1"))); r.status != http.StatusUnauthorized {
			t.Errorf("with %q = %d", authorization, r.status)
		}
	}
}

func TestBrokenTopologyIsRefusedWithEveryPlaceAndChangesNothing(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	good := topology("http://127.0.0.1:1")
	hash := g.apply(good)
	for what, c := range map[string]struct {
		text  string
		place string
	}{
		"not YAML":       {strings.Replace(good, "vantages: [", "vantages: [[", 1), "my.yaml:"},
		"unknown field":  {strings.Replace(good, "    start:", "    begin:", 1), "my.yaml:8:5"},
		"literal secret": {strings.Replace(good, `tcp: "127.0.0.1:4"`, `tcp: "127.0.0.1:4", database: "postgres://u:hunter2@db/x"`, 1), "my.yaml:15:"},
		"only a comment": {"# nothing\n", "my.yaml:1:1"},
		"too large":      {good + "#" + strings.Repeat(" ", 5<<20), ""},
	} {
		r := g.put(c.text, hash)
		p := r.problem(t)
		switch {
		case c.place == "":
			if r.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s = %d", what, r.status)
			}
		case r.status != http.StatusUnprocessableEntity || len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, c.place):
			t.Errorf("%s = %d %s, want a problem at %s", what, r.status, r.body, c.place)
		}
		if strings.Contains(r.body, "hunter2") {
			t.Errorf("%s: the answer repeats the secret", what)
		}
	}
	if got := g.current(); got != hash {
		t.Errorf("the topology is now %s, want %s", got, hash)
	}
}

// large is a topology whose apply takes a while: every vantage is a write.
func large() string {
	var vantages []string
	for i := range 200 {
		vantages = append(vantages, fmt.Sprintf(`{name: v%d, anchors: ["127.0.0.1:3"]}`, i))
	}
	return strings.Replace(topology("http://127.0.0.1:1"), `{name: v, anchors: ["127.0.0.1:3"]}`, strings.Join(vantages, ", "), 1)
}

// TestOvertakenApplyIsRefusedAndHarmless lets the same topology, with another app mode, be applied through a second gateway while the first one is still writing.
func TestOvertakenApplyIsRefusedAndHarmless(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	slow, fast := start(t, s, nil), start(t, s, nil)
	slow.apply(topology("http://127.0.0.1:9"))
	before := slow.current()
	fast.await("the first topology", func() bool { return fast.current() == before })

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch := s.Connect(schemas.Recorder, "")
	stream := schemas.BucketStream(schemas.TopologyBucket.Name())
	state, err := watch.State(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan reply, 1)
	go func() { refused <- slow.put(large(), before) }()
	err = watch.Tail(ctx, stream, state.Last+1, nil, func(bus.Message) error { return errEnd })
	if !errors.Is(err, errEnd) {
		t.Fatal(err)
	}
	won := fast.put(topology("http://127.0.0.1:8"), before)
	if won.status != http.StatusOK {
		t.Fatalf("the second apply = %d %s", won.status, won.body)
	}
	if r := <-refused; r.status != http.StatusConflict {
		t.Errorf("the overtaken apply = %d %s", r.status, r.body)
	}
	for _, g := range []instance{slow, fast} {
		g.await("the winner's topology", func() bool { return g.current() == won.header.Get("ETag") })
	}
}

// TestAppsNeverVanishWhileATopologyIsApplied asks for the apps all the while.
func TestAppsNeverVanishWhileATopologyIsApplied(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	g.apply(topology("http://127.0.0.1:1"))
	applied := make(chan reply, 1)
	go func() { applied <- g.put(large(), "*") }()
	for asked := 0; ; asked++ {
		r := g.call(http.MethodGet, "/v1/apps", nil, nil)
		if !strings.Contains(r.body, `"shop"`) {
			t.Fatalf("after %d questions: %d %s", asked, r.status, r.body)
		}
		select {
		case a := <-applied:
			if a.status != http.StatusOK || asked == 0 {
				t.Errorf("apply = %d after %d questions", a.status, asked)
			}
			return
		default:
		}
	}
}

func TestFailoverIsRequestedOnceAndForWhatExists(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	post := func(token, key, body string) reply {
		return g.call(http.MethodPost, "/v1/failovers", map[string]string{"Authorization": "Bearer " + token, "Idempotency-Key": key, "Content-Type": "application/json"}, []byte(body))
	}
	const good = `{"app": "shop", "region": "r1", "variant": "slim", "reason": "drill", "actor": "ada"}`
	for what, c := range map[string]struct {
		token, key, body string
		status           int
	}{
		"no token":       {"", "", good, http.StatusUnauthorized},
		"wrong token":    {"wrong", "", good, http.StatusUnauthorized},
		"unknown app":    {"t0ken", "", `{"app": "cart", "reason": "x", "actor": "ada"}`, http.StatusNotFound},
		"unknown region": {"t0ken", "", `{"app": "shop", "region": "r9", "reason": "x", "actor": "ada"}`, http.StatusUnprocessableEntity},
		"unknown build":  {"t0ken", "", `{"app": "shop", "variant": "fat", "reason": "x", "actor": "ada"}`, http.StatusUnprocessableEntity},
		"no reason":      {"t0ken", "", `{"app": "shop", "actor": "ada"}`, http.StatusUnprocessableEntity},
		"empty reason":   {"t0ken", "", `{"app": "shop", "reason": "", "actor": "ada"}`, http.StatusUnprocessableEntity},
		"no actor":       {"t0ken", "", `{"app": "shop", "reason": "x"}`, http.StatusUnprocessableEntity},
		"unknown field":  {"t0ken", "", `{"app": "shop", "reason": "x", "actor": "ada", "colour": true}`, http.StatusUnprocessableEntity},
		"no place":       {"t0ken", "", `{"app": "shop", "reason": "x", "actor": "ada", "force": true}`, http.StatusUnprocessableEntity},
		"not JSON":       {"t0ken", "", `{`, http.StatusBadRequest},
		"endless key":    {"t0ken", strings.Repeat("k", 10_000), good, http.StatusUnprocessableEntity},
		"huge body":      {"t0ken", "", `{"reason": "` + strings.Repeat("x", 100<<10) + `"}`, http.StatusRequestEntityTooLarge},
	} {
		r := post(c.token, c.key, c.body)
		if r.status != c.status {
			t.Errorf("%s = %d %s, want %d", what, r.status, r.body, c.status)
		}
		r.problem(t)
	}
	l := newLedger(t, s)
	if got := all(l, schemas.FailoverRequestedTopic); len(got) > 0 {
		t.Fatalf("stored %+v", got)
	}
	for _, key := range []string{"k1", "k1", "", ""} {
		if r := post("t0ken", key, good); r.status != http.StatusAccepted {
			t.Errorf("with the key %q = %d %s", key, r.status, r.body)
		}
	}
	got := all(l, schemas.FailoverRequestedTopic)
	if len(got) != 3 || got[0].Request != "k1" || got[0].To != (schemas.Candidate{Region: "r1", Variant: "slim"}) || got[1].Request == got[2].Request {
		t.Errorf("stored %+v, want three requests, the first k1", got)
	}
}

// TestAnAppTooLargeForTheBusIsRefusedWithItsName has an app whose long addresses leeward.yaml may hold and a message may not.
func TestAnAppTooLargeForTheBusIsRefusedWithItsName(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	var variants, endpoints strings.Builder
	for i := range 600 {
		fmt.Fprintf(&variants, "{name: v%d}, ", i)
		fmt.Fprintf(&endpoints, "      - {region: r1, variant: v%d, http: \"http://shop.example/%s\"}\n", i, strings.Repeat("x", 2_000))
	}
	text := strings.Replace(topology("http://127.0.0.1:1"), "variants: [", "variants: ["+variants.String(), 1)
	text = strings.Replace(text, "    endpoints:\n", "    endpoints:\n"+endpoints.String(), 1)
	r := g.put(text, "")
	if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "app shop with its 602 endpoints takes ") || !strings.Contains(r.body, "split it") {
		t.Errorf("%d %.300s", r.status, r.body)
	}
}
