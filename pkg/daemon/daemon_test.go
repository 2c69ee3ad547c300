package daemon_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/daemon"
)

func TestHealthTellsLivingFromReady(t *testing.T) {
	var missing error
	health := daemon.Health{Ready: func() error { return missing }, Proc: daemon.NewProcess("tested", nil, func(string) string { return "" }, io.Discard, io.Discard)}
	server := httptest.NewServer(health.Handler())
	defer server.Close()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, _ := get("/readyz"); status != http.StatusOK {
		t.Errorf("ready answers %d", status)
	}
	missing = errors.New("the bus is not connected")
	if status, body := get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the bus is not connected") {
		t.Errorf("not ready answers %d: %s", status, body)
	}
	if status, _ := get("/livez"); status != http.StatusOK {
		t.Errorf("living, not ready, answers %d", status)
	}
	if _, body := get("/metrics"); !strings.Contains(body, `leeward_build_info{service="tested"`) {
		t.Errorf("metrics lack the build: %.300s", body)
	}
}
