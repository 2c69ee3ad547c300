package gateway_test

import (
	"net/http"
	"testing"

	"github.com/leeward-failover/leeward/pkg/bustest"
)

func TestEveryAnswerSaysThatTheRegionsAreSimulated(t *testing.T) {
	for setting, want := range map[string]string{"true": "true", "": ""} {
		g := start(t, bustest.Start(t), map[string]string{"LEEWARD_SIMULATED": setting})
		for _, path := range []string{"/v1/apps", "/readyz", "/nowhere", "/openapi.json"} {
			response, err := http.Get(g.url + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if got := response.Header.Get("X-Leeward-Simulated"); got != want {
				t.Errorf("LEEWARD_SIMULATED=%s: %s says %q, want %q", setting, path, got, want)
			}
		}
	}
}
