package blackbox_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/services/prober/internal/blackbox"
	"github.com/leeward-failover/leeward/services/prober/internal/guard"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

// exporter is a prober's handler whose guard lets out to one loopback range.
func exporter(t *testing.T) *httptest.Server {
	t.Helper()
	g := &guard.Guard{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/16")}}
	k := probe.NewKit("london", socks.Dialer{Permit: g.Permit}, nil)
	t.Cleanup(func() { k.Close(context.Background()) })
	s := httptest.NewServer(blackbox.Handler{Measure: k.Measure})
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, at string, query url.Values, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/probe?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
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

func TestAnswersAsBlackboxExporterDoes(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(app.Close)
	at, host := exporter(t).URL, strings.TrimPrefix(app.URL, "http://")
	for name, c := range map[string]struct {
		query  url.Values
		header map[string]string
		status int
		want   []string
	}{
		"http": {url.Values{"target": {app.URL}, "module": {"http_2xx"}}, nil, 200,
			[]string{"\nprobe_success 1\n", "\nprobe_http_status_code 200\n", `probe_http_duration_seconds{phase="connect"} `, `probe_http_duration_seconds{phase="processing"} `, "\nprobe_duration_seconds 0.", "\nprobe_dns_lookup_time_seconds 0\n"}},
		"http without a scheme and a module": {url.Values{"target": {host}}, nil, 200, []string{"\nprobe_success 1\n"}},
		"a bad status":                       {url.Values{"target": {app.URL + "/broken"}}, nil, 200, []string{"\nprobe_success 0\n", "\nprobe_http_status_code 418\n"}},
		"tcp":                                {url.Values{"target": {host}, "module": {"tcp_connect"}}, nil, 200, []string{"\nprobe_success 1\n"}},
		"Prometheus' own time-out":           {url.Values{"target": {app.URL + "/slow"}}, map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": "0.2"}, 200, []string{"\nprobe_success 0\n", "probe_duration_seconds 0.2"}},
		"debug":                              {url.Values{"target": {app.URL + "/broken"}, "debug": {"true"}}, nil, 200, []string{"status in ", "connect", "http: status 418", "Metrics that would have been returned:", "probe_success 0"}},
		"where the guard does not let it":    {url.Values{"target": {"http://169.254.169.254/latest/meta-data/"}, "debug": {"true"}}, nil, 200, []string{"never reach", "probe_success 0"}},
		"no target":                          {url.Values{"module": {"icmp"}}, nil, 400, []string{"target is missing"}},
		"an unknown module":                  {url.Values{"target": {"x"}, "module": {"exec"}}, nil, 400, []string{`module "exec" is not known; there are http, http_2xx, icmp`}},
		"a time-out that is none":            {url.Values{"target": {"x"}}, map[string]string{"X-Prometheus-Scrape-Timeout-Seconds": "soon"}, 400, []string{"not a number of seconds"}},
	} {
		began := time.Now()
		status, body := get(t, at, c.query, c.header)
		if status != c.status {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, body)
			}
		}
		if time.Since(began) > 5*time.Second {
			t.Errorf("%s took %s", name, time.Since(began))
		}
	}
}
