package hook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/hook"
)

const digest = "sha256:5bc0f2188458b610386f1b1956ba714fc9b8e0947549c83096e6f64b00bcec7f"

// receiver is every webhook with a topology that watches what the golden bodies are about; it refuses an event that is not well formed.
func receiver(tb testing.TB) (mux *http.ServeMux, stored *int) {
	tb.Helper()
	topology := schemas.Topology{Apps: []schemas.App{{Name: "shop", Source: schemas.Source{
		Watch: []schemas.Watch{{Registry: "http://127.0.0.1:5000", Repository: "demo/base", Tags: []string{"1"}}},
		Git:   schemas.Git{Repository: "https://github.com/demo/shop.git", Branch: "main"},
	}}}}
	n := 0
	store := func(e schemas.Event) error {
		n++
		if err := e.Validate(); err != nil {
			tb.Errorf("%+v: %v", e, err)
		}
		return nil
	}
	mux = http.NewServeMux()
	hook.Hooks{
		Topology: func() (schemas.Topology, error) { return topology, nil },
		Resolve:  func(context.Context, string, string, string) (string, string, error) { return digest, "", nil },
		Pushed:   func(_ context.Context, e schemas.ImagePushed) error { return store(e) }, SourcePushed: func(_ context.Context, e schemas.SourcePushed) error { return store(e) },
		Alerted: func(_ context.Context, e schemas.AlertReceived) error { return store(e) },
		Seen:    &hook.Seen{}, Secrets: hook.Secrets{Distribution: "s", DockerHub: "s", GitHub: "s", Alertmanager: "s", Grafana: "s", Pingdom: "s", NewRelic: "s", Dynatrace: "s", Datadog: "s"}, Count: hook.Metrics(prometheus.NewRegistry()), Log: zerolog.Nop(),
	}.Register(mux)
	return mux, &n
}

// fuzz delivers bodies, the golden ones first: whatever comes is stored, ignored or refused as malformed, and the golden ones are stored.
func fuzz(f *testing.F, path, event string, golden ...string) {
	f.Helper()
	seeds := map[string]bool{}
	for _, name := range golden {
		body, err := os.ReadFile(filepath.Join("..", "..", "testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(body[:len(body)/2])
		seeds[string(body)] = true
	}
	for _, body := range []string{"", "{}", "null", "[]", "7", `{"events":[{}]}`, `{"alerts":[{}]}`, `{"package":{}}`, `{"registry_package":null}`, `{"repository":{"repo_name":"demo/base"}}`, `{"ref":"refs/heads/"}`,
		`{"check_id":1,"current_state":"UP","state_changed_timestamp":1795219844,"tags":[["a:b"],{"c":"d"}]}`, `{"id":[],"state":{}}`, `{"PID":"1","State":"MERGED","Tags":",:,a:,a:b,a:c"}`,
		`{"alert_cycle_key":1e9,"alert_transition":"Re-Re-Warn","date":-1}`} {
		f.Add([]byte(body))
	}
	mux, stored := receiver(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := *stored
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
		mac := hmac.New(sha256.New, []byte("s"))
		mac.Write(body)
		r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		r.Header.Set("X-GitHub-Event", event)
		r.Header.Set("Authorization", "Bearer s")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != http.StatusAccepted && w.Code != http.StatusBadRequest {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w.Code != http.StatusAccepted && *stored > before && path != "/hooks/alerts/alertmanager" && path != "/hooks/alerts/grafana" {
			t.Error("refused and stored")
		}
		if seeds[string(body)] && *stored != before+1 {
			t.Errorf("the golden body stored %d events: %d %s", *stored-before, w.Code, w.Body)
		}
	})
}

func FuzzDistribution(f *testing.F) {
	fuzz(f, "/hooks/registry/distribution", "", "distribution-push.json")
}

func FuzzDockerHub(f *testing.F) { fuzz(f, "/hooks/registry/dockerhub/s", "", "dockerhub.json") }

func FuzzGitHubPackage(f *testing.F) {
	fuzz(f, "/hooks/registry/github", "package", "github-package.json")
}

func FuzzGitHubRegistryPackage(f *testing.F) {
	fuzz(f, "/hooks/registry/github", "registry_package", "github-registry-package.json")
}

func FuzzGitHubPush(f *testing.F) { fuzz(f, "/hooks/git/github", "push", "github-push.json") }

func FuzzAlertmanager(f *testing.F) {
	fuzz(f, "/hooks/alerts/alertmanager", "", "alertmanager.json")
}

func FuzzGrafana(f *testing.F) {
	fuzz(f, "/hooks/alerts/grafana", "", "grafana-firing.json", "grafana-resolved.json")
}

func FuzzPingdom(f *testing.F) {
	fuzz(f, "/hooks/alerts/pingdom/s", "", "pingdom-down.json", "pingdom-up.json")
}

func FuzzNewRelic(f *testing.F) {
	fuzz(f, "/hooks/alerts/newrelic", "", "newrelic-activated.json", "newrelic-closed.json")
}

func FuzzDynatrace(f *testing.F) {
	fuzz(f, "/hooks/alerts/dynatrace", "", "dynatrace-open.json", "dynatrace-resolved.json")
}

func FuzzDatadog(f *testing.F) {
	fuzz(f, "/hooks/alerts/datadog", "", "datadog-triggered.json", "datadog-recovered.json")
}
