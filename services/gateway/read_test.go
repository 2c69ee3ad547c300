package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

// write stores a value as its owner would.
func write[V schemas.Value](t *testing.T, b *bus.Bus, bucket schemas.Bucket[V], value V) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := bus.Put(ctx, b, bucket, value, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func TestReadsAnswerWithWhatTheServicesSaidLast(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "v")
	g := start(t, s, nil)
	g.apply(topology("http://127.0.0.1:1"))
	for _, path := range []string{"/v1/apps/shop/ranking", "/v1/apps/shop/route", "/v1/apps/cart/ranking", "/v1/apps/cart/route", "/v1/apps/cart/images"} {
		r := g.call(http.MethodGet, path, nil, nil)
		if r.status != http.StatusNotFound {
			t.Errorf("%s before there is one = %d", path, r.status)
		}
		r.problem(t)
	}
	now := time.Now()
	to := schemas.Candidate{Region: "r1", Variant: "slim"}
	from := schemas.Candidate{Region: "r0", Variant: "slim"}
	actuator := s.Connect(schemas.Actuator, "")
	write(t, s.Connect(schemas.Ranker, ""), schemas.RankingBucket, schemas.Ranking{App: "shop", At: now, Inputs: json.RawMessage(`{"seed":7}`), Orders: []schemas.Order{{Active: "r0"}, {Active: "r1"}}})
	write(t, s.Connect(schemas.Builder, ""), schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: "slim", Region: "r1", Digest: "sha256:" + strings.Repeat("0", 64), Reference: "x", Parity: "verified", Since: now})
	write(t, s.Connect(schemas.Prober, "v"), schemas.VerdictBucket, schemas.Verdict{Vantage: "v", App: "shop", Region: "r0", Health: schemas.Down, Since: now, At: now})
	for i, id := range []string{"older", "newer"} {
		write(t, actuator, schemas.PlanBucket, schemas.Plan{ID: id, App: "shop", Trigger: schemas.TriggerAlert, From: from, To: to, State: schemas.PlanFinished, At: now.Add(time.Duration(i) * time.Second)})
	}
	for id, state := range map[string]schemas.AnomalyState{"a1": schemas.AnomalyBegan, "a2": schemas.AnomalyEnded} {
		write(t, s.Connect(schemas.Ranker, ""), schemas.AnomalyBucket, schemas.Anomaly{Last: schemas.AnomalyDetected{ID: id, State: state, Apps: []string{"shop"}, Moved: 1, Of: 1, Since: now, DetectedAt: now, At: now, Reason: "over",
			Cells: []schemas.AnomalyCell{{App: "shop", Region: "r0", Vantage: "v", Kind: "http", Measures: []schemas.AnomalyMeasure{schemas.AnomalyLatency}}}}})
	}
	write(t, actuator, schemas.RouteBucket, schemas.Route{App: "shop", Active: to, Epoch: schemas.Epoch{Term: 1, N: 2}, Since: now})
	g.await("the route", func() bool { return g.call(http.MethodGet, "/v1/apps/shop/route", nil, nil).status == http.StatusOK })
	for _, c := range []struct {
		path       string
		status     int
		has, lacks string
	}{
		{"/v1/apps", 200, `"health":"down"`, ""},
		{"/v1/apps", 200, `"active":{"region":"r1","variant":"slim"}`, ""},
		{"/v1/apps/shop/route", 200, `"epoch":{"term":1,"n":2}`, ""},
		{"/v1/apps/shop/images", 200, `"parity":"verified"`, ""},
		{"/v1/apps/shop/ranking", 200, `"active":"r1"`, `"inputs"`},
		{"/v1/apps/shop/ranking?inputs=true", 200, `"seed":7`, ""},
		{"/v1/apps/shop/ranking?active=r0", 200, `"active":"r0"`, `"active":"r1"`},
		{"/v1/apps/shop/ranking?active=r9", 404, "r9", ""},
		{"/v1/failovers", 200, `"id":"newer"`, ""},
		{"/v1/failovers?app=shop", 200, `"id":"older"`, ""},
		{"/v1/failovers?app=cart", 200, `[]`, "newer"},
		{"/v1/anomalies", 200, `"id":"a1"`, ""},
		{"/v1/anomalies?app=shop&limit=1", 200, `"id":"a1"`, "a2"},
		{"/v1/anomalies?app=cart", 404, "no app named cart", ""},
	} {
		g.await(c.path+" with "+c.has, func() bool { return strings.Contains(g.call(http.MethodGet, c.path, nil, nil).body, c.has) })
		if r := g.call(http.MethodGet, c.path, nil, nil); r.status != c.status || c.lacks != "" && strings.Contains(r.body, c.lacks) {
			t.Errorf("%s = %d %s, without %s", c.path, r.status, r.body, c.lacks)
		}
	}
	if body := g.call(http.MethodGet, "/v1/failovers", nil, nil).body; strings.Index(body, "newer") > strings.Index(body, "older") {
		t.Errorf("the newest plan is not first: %s", body)
	}
}

func TestPageOfTheAPINamesEveryPathAndWhichNeedTheToken(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	var page struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal([]byte(g.call(http.MethodGet, "/openapi.json", nil, nil).body), &page); err != nil {
		t.Fatal(err)
	}
	for path, methods := range map[string][]string{
		"/v1/topology": {"get", "put"}, "/v1/apps": {"get"}, "/v1/apps/{app}/ranking": {"get"}, "/v1/apps/{app}/route": {"get"}, "/v1/apps/{app}/images": {"get"},
		"/v1/failovers": {"get", "post"}, "/v1/apps/{app}/overrides": {"get"}, "/v1/apps/{app}/overrides/{region}": {"put", "delete"}, "/v1/events": {"get"}, "/v1/anomalies": {"get"},
	} {
		for _, method := range methods {
			operation, ok := page.Paths[path][method]
			if needs := len(operation.Security) > 0; !ok || needs != (method != "get") {
				t.Errorf("%s %s: there is %v, needs the token is %v", method, path, ok, needs)
			}
		}
	}
	if !strings.HasPrefix(page.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %q, want 3.1", page.OpenAPI)
	}
}
