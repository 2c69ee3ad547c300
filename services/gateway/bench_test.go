package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway"
)

// as runs a command of the CLI with another token than the gateway's.
func (g instance) as(token string, args ...string) (string, error) {
	root := &cobra.Command{Use: "leeward", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(gateway.Commands()...)
	var out strings.Builder
	root.SetOut(&out)
	root.SetArgs(append(args, "--api", g.url, "--token", token))
	err := root.ExecuteContext(g.t.Context())
	return out.String(), err
}

// answering is a server, and how often it was asked.
func answering(t *testing.T, status int) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// benched is a topology whose app answers at a URL in the region r0, where it has two variants, and by TCP only in r1.
func benched(url string) string {
	return strings.NewReplacer(`- {region: r0, variant: slim, tcp: "127.0.0.1:4"}`, `- {region: r0, variant: slim, http: "`+url+`"}
      - {region: r0, variant: single, http: "`+url+`/single"}`, "variants: [{name: slim}]", "variants: [{name: slim}, {name: single}]").Replace(topology("http://127.0.0.1:9"))
}

// imported is every sample of the stream of imports.
func imported(t *testing.T, server *bustest.Server) (samples []schemas.Sample, from string) {
	t.Helper()
	recorder := server.Connect(schemas.Recorder, "")
	state, err := recorder.State(t.Context(), schemas.Imports)
	if err != nil {
		t.Fatal(err)
	}
	if state.Messages == 0 {
		return nil, ""
	}
	err = recorder.Tail(t.Context(), schemas.Imports, 1, nil, func(m bus.Message) error {
		batch, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return err
		}
		for i := range batch.Len() {
			samples = append(samples, batch.At(i))
		}
		from = batch.VantageRegion
		if m.Sequence == state.Last {
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) {
		t.Fatal(err)
	}
	return samples, from
}

func TestEveryRequestOfABenchIsASampleOfTheImports(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	server := bustest.Start(t)
	g := start(t, server, nil)
	url, asked := answering(t, http.StatusOK)
	g.apply(benched(url))
	out, err := g.leeward("bench", "http", "shop", "--region", "r0", "--variant", "slim", "--from", "r1", "--rate", "200", "--duration", "6s", "-o", "json")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var result struct {
		Requests, Sent, Failed, Stored int
		Outcomes                       map[string]int
		Latency                        map[string]float64 `json:"latency_ms"`
		Service                        map[string]float64 `json:"service_ms"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Requests != 1200 || result.Stored != 1200 || result.Outcomes["ok"] != 1200 || asked.Load() != 1200 {
		t.Errorf("%v: %s\nwant 1200 requests, all of them sent, ok and stored; the server was asked %d times", err, out, asked.Load())
	}
	for _, name := range []string{"mean", "p50", "p90", "p95", "p99", "p99_9", "max"} {
		if result.Latency[name] <= 0 || result.Service[name] <= 0 {
			t.Errorf("%s is missing in %s", name, out)
		}
	}
	samples, from := imported(t, server)
	if len(samples) != 1200 || from != "r1" {
		t.Fatalf("%d samples from %q are stored, want 1200 from r1", len(samples), from)
	}
	for _, s := range samples {
		if s.App != "shop" || s.Region != "r0" || s.Variant != "slim" || s.Kind != schemas.KindBench || s.Outcome != schemas.OK || s.Status != 200 || s.FirstByteUS == 0 || s.LateUS == 0 || s.LatencyUS <= s.LateUS {
			t.Fatalf("stored %+v", s)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("%d files are left behind, %v", len(left), err)
	}
}

func TestSamplesThatWereNotStoredAreKeptAndStoredOnce(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("WRONG_TOKEN", "wrong")
	server := bustest.Start(t)
	g := start(t, server, nil)
	url, _ := answering(t, http.StatusOK)
	g.apply(benched(url))
	out, err := g.as("env:WRONG_TOKEN", "bench", "http", "shop", "--region", "r0", "--variant", "slim", "--rate", "100", "--duration", "100ms", "--from", "r1")
	if err == nil {
		t.Fatalf("stored without the token: %s", out)
	}
	again := regexp.MustCompile(`leeward (import leeward shop \S+ --from r1)`).FindStringSubmatch(err.Error())
	if again == nil || !strings.Contains(out, "10 requests") {
		t.Fatalf("%v\n%s\nwant the result, and how the samples are stored", err, out)
	}
	for range 2 {
		if out, err := g.leeward(strings.Fields(again[1])...); err != nil || !strings.Contains(out, "10 samples of kind bench imported") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if samples, _ := imported(t, server); len(samples) != 10 {
		t.Errorf("%d samples are stored after two imports of the same ten", len(samples))
	}
}

func TestBenchRefusesWhatItShouldNotAsk(t *testing.T) {
	server := bustest.Start(t)
	g := start(t, server, nil)
	url, asked := answering(t, http.StatusOK)
	g.apply(benched(url))
	for name, test := range map[string]struct{ args, want string }{
		"no region":          {"shop", "--region: which region is asked"},
		"no app":             {"--region r0", "accepts 1 arg"},
		"an unknown app":     {"blog --region r0", "no app named blog in the topology"},
		"an unknown region":  {"shop --region mars", "no endpoint in region mars; it has them in r0, r1"},
		"an unknown variant": {"shop --region r0 --variant tiny", "no endpoint of variant tiny in region r0"},
		"an unknown origin":  {"shop --region r0 --variant slim --from mars", "--from mars: there is no such region"},
		"which variant":      {"shop --region r0", "name one of slim, single with --variant"},
		"nothing to ask":     {"shop --region r1", "has no http in the topology: name a URL with --url"},
		"no rate":            {"shop --region r0 --rate 0", "--rate 0: from more than 0"},
		"no number":          {"shop --region r0 --rate NaN", "--rate NaN: from more than 0"},
		"endless":            {"shop --region r0 --rate Inf --heavy", "--rate +Inf: from more than 0 to 20000"},
		"a word":             {"shop --region r0 --rate fast", `invalid argument "fast"`},
		"too fast":           {"shop --region r0 --rate 201", "--rate 201: more than 200 requests per second can hurt an app; --heavy allows it"},
		"too long":           {"shop --region r0 --duration 6m", "longer than 5m0s; --heavy allows it"},
		"no time":            {"shop --region r0 --duration 0s", "--duration 0s: from more than 0"},
		"not one request":    {"shop --region r0 --rate 0.1 --duration 1s", "is not one request"},
		"no time-out":        {"shop --region r0 --timeout 0s", "--timeout 0s: from 1ms"},
		"nothing in flight":  {"shop --region r0 --max-in-flight 0", "--max-in-flight 0: from 1"},
		"no URL":             {"shop --region r0 --url shop.example.net", `--url "shop.example.net": not a URL`},
		"another format":     {"shop --region r0 -o yaml", "-o yaml: the formats are table and json"},
		"two at once":        {"shop --rate -1 --timeout 0s", "--timeout 0s"},
	} {
		if _, err := g.leeward(append([]string{"bench", "http"}, strings.Fields(test.args)...)...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if _, err := g.as("env:NOBODY_SET_THIS", "bench", "http", "shop", "--region", "r0", "--variant", "slim"); err == nil || !strings.Contains(err.Error(), "--no-store only prints") {
		t.Errorf("without a token: %v", err)
	}
	if samples, _ := imported(t, server); asked.Load() != 0 || len(samples) != 0 {
		t.Errorf("the server was asked %d times and %d samples are stored, want none", asked.Load(), len(samples))
	}
}

func TestBenchThatFailsSaysSo(t *testing.T) {
	server := bustest.Start(t)
	g := start(t, server, nil)
	sick, asked := answering(t, http.StatusServiceUnavailable)
	g.apply(benched("http://" + freeAddress(t)))
	out, err := g.leeward("bench", "http", "shop", "--region", "r0", "--variant", "slim", "--rate", "100", "--duration", "1s", "--timeout", "2s")
	if err == nil || !strings.Contains(err.Error(), "nothing could be sent to http://127.0.0.1:") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v\n%s", err, out)
	}
	if samples, _ := imported(t, server); len(samples) < 20 || samples[0].Outcome != schemas.Refused {
		t.Errorf("nobody there: %d samples are stored, want 20 or more that say so", len(samples))
	}
	out, err = g.leeward("bench", "http", "shop", "--region", "r0", "--variant", "slim", "--url", sick, "--rate", "50", "--duration", "10s", "--timeout", "2s")
	if n := asked.Load(); err == nil || !strings.Contains(err.Error(), "ended early after ") || !strings.Contains(err.Error(), "status 503; --keep-going goes on") || n < 20 || n > 400 {
		t.Errorf("a sick server: %v after %d requests\n%s", err, n, out)
	}
	for _, want := range []string{"shop in r0, slim: " + sick, ": 0 ok, ", " status", "Ended before its time", "≥ 2000.0", "samples of kind bench stored"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if out, err := g.leeward("bench", "http", "shop", "--region", "r0", "--variant", "slim", "--url", sick, "--rate", "100", "--duration", "400ms", "--keep-going"); err != nil || !strings.Contains(out, "40 requests") {
		t.Errorf("kept going: %v\n%s", err, out)
	}
}

func TestBenchWithoutAnInstallationOnlyPrints(t *testing.T) {
	url, asked := answering(t, http.StatusOK)
	nowhere := instance{t: t, url: "http://" + freeAddress(t)}
	out, err := nowhere.leeward("bench", "http", "shop", "--no-store", "--url", url, "--rate", "100", "--duration", "300ms", "--fresh")
	if err != nil || asked.Load() != 30 || !strings.Contains(out, "shop: "+url) || !strings.Contains(out, "30 requests") || strings.Contains(out, "stored") {
		t.Errorf("%v: asked %d times\n%s", err, asked.Load(), out)
	}
	began := time.Now()
	if _, err := nowhere.leeward("bench", "http", "shop", "--region", "r0", "--url", url); err == nil || !strings.Contains(err.Error(), "does not answer") || time.Since(began) > 5*time.Second {
		t.Errorf("to store without an API: %v, want an error before the load", err)
	}
}
