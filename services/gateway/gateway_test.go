package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway"
)

// instance is a running gateway.
type instance struct {
	t   *testing.T
	url string
	// stop ends it and returns what Run returned.
	stop func() error
}

// settings are what every gateway of the tests runs with; over replaces some.
func settings(s *bustest.Server, over map[string]string) map[string]string {
	env := map[string]string{
		"LEEWARD_NATS_URL": s.URL(), "LEEWARD_NATS_SEED": s.Seed(schemas.Gateway, ""), "LEEWARD_HEALTH_ADDR": "127.0.0.1:0", "LEEWARD_RECONCILE_INTERVAL": "1h",
		"LEEWARD_API_TOKEN": "env:API_TOKEN", "API_TOKEN": "t0ken", "LEEWARD_HOOK_DISTRIBUTION_SECRET": "env:HOOK", "LEEWARD_HOOK_ALERTMANAGER_SECRET": "env:HOOK",
		"LEEWARD_HOOK_DOCKERHUB_SECRET": "env:HOOK", "LEEWARD_HOOK_GITHUB_SECRET": "env:HOOK", "HOOK": "s3cret",
		"LEEWARD_HOOK_GRAFANA_SECRET": "env:HOOK", "LEEWARD_HOOK_PINGDOM_SECRET": "env:HOOK", "LEEWARD_HOOK_NEWRELIC_SECRET": "env:HOOK",
		"LEEWARD_HOOK_DYNATRACE_SECRET": "env:HOOK", "LEEWARD_HOOK_DATADOG_SECRET": "env:HOOK",
	}
	maps.Copy(env, over)
	return env
}

// start runs a gateway until the test ends, and waits until it is ready.
func start(t *testing.T, s *bustest.Server, over map[string]string) instance {
	t.Helper()
	g := launch(t, s, over)
	g.await("ready", func() bool { return g.call(http.MethodGet, "/readyz", nil, nil).status == http.StatusOK })
	return g
}

// startLogging is start with the gateway's log kept; it may be read once the gateway was stopped.
func startLogging(t *testing.T, s *bustest.Server, log io.Writer, over map[string]string) instance {
	t.Helper()
	g := launchLogging(t, s, log, over)
	g.await("ready", func() bool { return g.call(http.MethodGet, "/readyz", nil, nil).status == http.StatusOK })
	return g
}

func launch(t *testing.T, s *bustest.Server, over map[string]string) instance {
	t.Helper()
	return launchLogging(t, s, testLog{t}, over)
}

func launchLogging(t *testing.T, s *bustest.Server, log io.Writer, over map[string]string) instance {
	t.Helper()
	// The API's port must be known before the gateway listens.
	address := freeAddress(t)
	env := settings(s, over)
	env["LEEWARD_API_ADDR"] = address
	proc := daemon.NewProcess("gateway", nil, func(name string) string { return env[name] }, io.Discard, log)
	ctx, cancel := context.WithCancel(context.Background())
	done, result := make(chan struct{}), error(nil)
	go func() {
		defer close(done)
		result = gateway.Run(ctx, proc)
	}()
	g := instance{t: t, url: "http://" + address, stop: func() error { cancel(); <-done; return result }}
	t.Cleanup(func() { _ = g.stop() })
	return g
}

// freeAddress is an address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = free.Close() }()
	return free.Addr().String()
}

// testLog shows a gateway's log when its test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}

// await asks again until something holds.
func (g instance) await(what string, holds func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// reply is an answer of the gateway; status 0 means that there was none.
type reply struct {
	status int
	header http.Header
	body   string
}

func (g instance) call(method, path string, header map[string]string, body []byte) reply {
	g.t.Helper()
	req, err := http.NewRequest(method, g.url+path, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(data)}
}

const (
	distributionHook = "/hooks/registry/distribution"
	alertmanagerHook = "/hooks/alerts/alertmanager"
)

// hook delivers a webhook as its source would.
func (g instance) hook(path string, body []byte) reply {
	g.t.Helper()
	return g.call(http.MethodPost, path, map[string]string{"Authorization": "Bearer s3cret", "Content-Type": "application/json"}, body)
}

// put applies a topology. An empty ifMatch sends none.
func (g instance) put(text, ifMatch string) reply {
	g.t.Helper()
	header := map[string]string{"Authorization": "Bearer t0ken", "Content-Type": "application/yaml", "X-Leeward-File": "my.yaml"}
	if ifMatch != "" {
		header["If-Match"] = ifMatch
	}
	return g.call(http.MethodPut, "/v1/topology", header, []byte(text))
}

// apply applies a topology and waits until the gateway itself goes by it.
func (g instance) apply(text string) string {
	g.t.Helper()
	r := g.put(text, "*")
	if r.status != http.StatusOK {
		g.t.Fatalf("apply = %d %s", r.status, r.body)
	}
	g.await("the topology", func() bool { return g.current() == r.header.Get("ETag") })
	return r.header.Get("ETag")
}

// current is the hash of the topology the gateway goes by, as it stands in If-Match.
func (g instance) current() string {
	return g.call(http.MethodGet, "/v1/topology", nil, nil).header.Get("ETag")
}

// topology is a leeward.yaml whose app shop watches demo/base in a registry. The region r0 and the tag 1 are those of the recorded webhooks.
func topology(registry string, tags ...string) string {
	if len(tags) == 0 {
		tags = []string{"1"}
	}
	return fmt.Sprintf(`version: 1
regions:
  - {name: r0, location: {latitude: 50, longitude: 8}, jurisdiction: DE, registry: "http://127.0.0.1:1"}
  - {name: r1, location: {latitude: 51, longitude: 0}, jurisdiction: GB, registry: "http://127.0.0.1:2"}
vantages: [{name: v, anchors: ["127.0.0.1:3"]}]
apps:
  - name: shop
    start: {region: r0, variant: slim}
    source:
      watch: [{registry: %q, repository: demo/base, tags: ["%s"]}]
      context: shop
    images: {registry: %q, repository: shop}
    variants: [{name: slim}]
    endpoints:
      - {region: r0, variant: slim, tcp: "127.0.0.1:4"}
      - {region: r1, variant: slim, tcp: "127.0.0.1:5"}
    failover: {verify: {url: "http://127.0.0.1:6"}}
    alerts: [{match: {alertname: RegionDown}, region_label: region}, {match: {shop-r0: "true"}, region: r0}]
`, registry, strings.Join(tags, `", "`), registry)
}

// recorded returns a webhook as the real sender sent it.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// newRegistry starts an empty image registry and returns its base URL.
func newRegistry(t *testing.T) string {
	t.Helper()
	return registryAt(t, "127.0.0.1:0")
}

func registryAt(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// pushImage pushes a new image to demo/base and returns its digest.
func pushImage(t *testing.T, registry, tag string) string {
	t.Helper()
	image, err := random.Image(1024, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(strings.TrimPrefix(registry, "http://")+"/demo/base:"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// ledger reads what the stream of events holds, as the recorder would.
type ledger struct {
	t   *testing.T
	bus *bus.Bus
}

func newLedger(t *testing.T, s *bustest.Server) ledger {
	t.Helper()
	return ledger{t, s.Connect(schemas.Recorder, "")}
}

var errEnd = errors.New("end of the stream")

// all returns every stored event of a topic, in order.
func all[E schemas.Event](l ledger, topic schemas.Topic[E]) []E {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	state, err := l.bus.State(ctx, schemas.Events)
	if err != nil {
		l.t.Fatal(err)
	}
	var found []E
	if state.Messages == 0 {
		return found
	}
	err = l.bus.Tail(ctx, schemas.Events, 1, nil, func(m bus.Message) error {
		if strings.HasPrefix(m.Subject, topic.Contract().Name+".") {
			e, err := topic.Decode(m.Subject, m.Data)
			if err != nil {
				return err
			}
			found = append(found, e)
		}
		if m.Sequence == state.Last {
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) {
		l.t.Fatal(err)
	}
	return found
}

// problem reads an answer by RFC 9457.
func (r reply) problem(t *testing.T) (p struct {
	Title  string
	Status int
	Detail string
	Errors []struct {
		Message, Location string
	}
}) {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q, want application/problem+json: %d %s", got, r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.Status != r.status {
		t.Errorf("status %d with the body %s: %v", r.status, r.body, err)
	}
	return p
}

func TestRunReportsEveryMissingSetting(t *testing.T) {
	proc := daemon.NewProcess("gateway", nil, func(name string) string { return map[string]string{"LEEWARD_API_TOKEN": "t0ken"}[name] }, io.Discard, io.Discard)
	err := gateway.Run(t.Context(), proc)
	for _, want := range []string{"LEEWARD_NATS_URL: not set", "LEEWARD_NATS_SEED: not set", "LEEWARD_API_TOKEN: a secret is a reference"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v, want %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "t0ken") {
		t.Errorf("the error holds the secret: %v", err)
	}
}

func TestGatewayEndsSoonWhenToldTo(t *testing.T) {
	t.Parallel()
	g := start(t, bustest.Start(t), nil)
	stream, err := http.Get(g.url + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	began := time.Now()
	if err := g.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %v to stop with a stream open", took)
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the open stream was cut, not ended: %v", err)
	}
}

func TestGatewayWaitsForABusThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	s.Stop()
	g := launch(t, s, nil)
	g.await("alive", func() bool { return g.call(http.MethodGet, "/livez", nil, nil).status == http.StatusOK })
	if got := g.call(http.MethodGet, "/readyz", nil, nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz without a bus = %d", got.status)
	}
	if got := g.hook(alertmanagerHook, recorded(t, "alertmanager.json")); got.status != http.StatusServiceUnavailable {
		t.Errorf("an alert before the topology is known = %d %s", got.status, got.body)
	}
	if got := g.call(http.MethodGet, "/v1/apps", nil, nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("/v1/apps before the topology is known = %d", got.status)
	}
	s.Restart()
	g.await("ready", func() bool { return g.call(http.MethodGet, "/readyz", nil, nil).status == http.StatusOK })
}
