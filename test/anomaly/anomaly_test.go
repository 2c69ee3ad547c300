// Package anomaly_test follows docs/how-to/anomalies.md on built binaries: samples in ClickHouse become an anomaly on the bus, in the CLI, in ClickHouse and in Alertmanager.
package anomaly_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
)

const root = "../.."

const topology = `version: 1
regions:
  - {name: frankfurt, location: {latitude: 50.11, longitude: 8.68}, jurisdiction: DE}
  - {name: tokyo, location: {latitude: 35.68, longitude: 139.69}, jurisdiction: JP}
vantages:
  - {name: london}
  - {name: madrid}
apps:
  - name: shop
    start: {region: frankfurt, variant: slim}
    variants:
      - {name: slim}
    objective: {kind: http}
    failover: {verify: {url: "http://127.0.0.1:9/healthz"}}
    endpoints:
      - {region: frankfurt, variant: slim, http: "http://127.0.0.1:9/healthz"}
      - {region: tokyo, variant: slim, http: "http://127.0.0.1:9/healthz"}
`

// world is the part of Leeward that anomalies pass through, and an Alertmanager.
type world struct {
	t           *testing.T
	folder, dsn string
	api         string
	bus         *bustest.Server
	here        *strings.Replacer
}

func TestASlowerRegionIsToldAsTheGuideSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/how-to/anomalies.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 4 {
		t.Fatalf("%d blocks of commands, want 4", len(blocks))
	}
	w := start(t)
	if out := w.run("bin/leeward anomalies"); !strings.Contains(out, "no anomaly lasts") {
		t.Errorf("before any: %s", out)
	}
	w.insert()
	w.serve(schemas.Ranker, strings.TrimSpace(blocks[2][1]), "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN", "TEST_DSN="+w.dsn)

	// It is told of in the second look, a minute after the first.
	var out string
	w.await("an anomaly", 3*time.Minute, func() bool {
		out = w.run(blocks[0][1])
		return strings.Contains(out, "region tokyo from 2 of 2 vantages, 2 of 2 cells")
	})
	var listed []schemas.AnomalyDetected
	if err := json.Unmarshal([]byte(out[strings.Index(out, "["):]), &listed); err != nil || len(listed) != 1 || listed[0].Scope.Region != "tokyo" || listed[0].State != schemas.AnomalyBegan {
		t.Fatalf("%v: %s", err, out)
	}
	w.await("the alert", 30*time.Second, func() bool {
		out = w.run(blocks[3][1])
		return strings.Contains(out, "region tokyo from 2 of 2 vantages") && strings.Contains(out, "active")
	})
	w.await("a row of the view", 30*time.Second, func() bool {
		out = w.run(blocks[1][1], "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN", "TEST_DSN="+w.dsn)
		return strings.Contains(out, listed[0].Since.Format("2006-01-02 15:04:05")+"\t\\N\ttokyo\t\t2\t2\tshop tokyo/slim from ")
	})
	if out, err := w.try("bin/leeward anomalies cart"); err == nil || !strings.Contains(out, "no app named cart") {
		t.Errorf("an app there is not: %v: %s", err, out)
	}
}

func start(t *testing.T) *world {
	t.Helper()
	manager := fmt.Sprint("127.0.0.1:", processtest.Port(t))
	w := &world{t: t, folder: t.TempDir(), dsn: chembedtest.Start(t), api: fmt.Sprint("127.0.0.1:", processtest.Port(t)), bus: bustest.Start(t, "london", "madrid"), here: strings.NewReplacer("127.0.0.1:9093", manager)}
	w.alertmanager(manager)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(w.folder, "bin/leeward"), "./cmd/leeward")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	w.serve(schemas.Recorder, "bin/leeward serve recorder", "LEEWARD_CLICKHOUSE_DSN=env:TEST_DSN", "TEST_DSN="+w.dsn)
	w.serve(schemas.Gateway, "bin/leeward serve gateway", "LEEWARD_API_ADDR="+w.api, "LEEWARD_API_TOKEN=env:API_TOKEN", "API_TOKEN=t0ken")
	if err := os.WriteFile(filepath.Join(w.folder, "leeward.yaml"), []byte(topology), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("bin/leeward apply leeward.yaml")
	return w
}

// alertmanager starts Debian's.
func (w *world) alertmanager(address string) {
	file := filepath.Join(w.folder, "alertmanager.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: people}\nreceivers: [{name: people}]\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	processtest.Program(w.t, "amtool")
	processtest.Start(w.t, exec.Command(processtest.Program(w.t, "prometheus-alertmanager"), "--config.file="+file, "--storage.path="+filepath.Join(w.folder, "data"), "--web.listen-address="+address, "--cluster.listen-address="), syscall.SIGTERM).
		Await(func() error { return answers("http://" + address + "/-/ready") })
}

// serve runs a line that starts a service, and waits until it is ready. What ranks nothing, as here, is not.
func (w *world) serve(service schemas.Service, line string, settings ...string) {
	w.t.Helper()
	health := fmt.Sprint("127.0.0.1:", processtest.Port(w.t))
	cmd := exec.Command("bash", "-c", w.here.Replace(strings.Replace(line, "bin/leeward", "exec bin/leeward", 1)))
	cmd.Dir = w.folder
	cmd.Env = append(append(os.Environ(), settings...), "LEEWARD_NATS_URL="+w.bus.URL(), "LEEWARD_NATS_SEED="+w.bus.Seed(service, ""), "LEEWARD_HEALTH_ADDR="+health)
	path := "/readyz"
	if service == schemas.Ranker {
		path = "/livez"
	}
	processtest.Start(w.t, cmd, syscall.SIGTERM).Await(func() error { return answers("http://" + health + path) })
}

func answers(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return nil
}

// insert puts two hours of samples into ClickHouse, and some of what comes: tokyo is half as slow again since six minutes.
func (w *world) insert() {
	w.t.Helper()
	db, err := clickhouse.Open(w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	random := rand.New(rand.NewPCG(1, 1))
	now := time.Now().UTC().Truncate(time.Minute)
	var due []time.Time
	var app, kind, vantage, region, variant, outcome []string
	var latency []uint32
	for at := now.Add(-2 * time.Hour); at.Before(now.Add(6 * time.Minute)); at = at.Add(5 * time.Second) {
		for _, v := range []string{"london", "madrid"} {
			for _, r := range []string{"frankfurt", "tokyo"} {
				ms := 40 + 4*random.Float64()
				if r == "tokyo" && !at.Before(now.Add(-6*time.Minute)) {
					ms *= 1.5
				}
				due, latency = append(due, at), append(latency, uint32(ms*1000))
				app, kind, vantage = append(app, "shop"), append(kind, "http"), append(vantage, v)
				region, variant, outcome = append(region, r), append(variant, "slim"), append(outcome, "ok")
			}
		}
	}
	if err := db.Insert(w.t.Context(), clickhouse.Block{Table: "samples", Token: "hours", Columns: []clickhouse.Column{
		{Name: "due", Values: due}, {Name: "app", Values: app}, {Name: "kind", Values: kind}, {Name: "vantage", Values: vantage}, {Name: "region", Values: region},
		{Name: "variant", Values: variant}, {Name: "outcome", Values: outcome}, {Name: "latency_us", Values: latency},
	}}); err != nil {
		w.t.Fatal(err)
	}
}

// run runs lines of a shell as a user of the gateway.
func (w *world) run(lines string, env ...string) string {
	w.t.Helper()
	out, err := w.try(lines, env...)
	if err != nil {
		w.t.Fatalf("%s\n%v\n%s", lines, err, out)
	}
	return out
}

func (w *world) try(lines string, env ...string) (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", w.here.Replace(lines))
	cmd.Dir, cmd.WaitDelay = w.folder, time.Second
	cmd.Env = append(append(os.Environ(), "LEEWARD_API=http://"+w.api, "LEEWARD_API_TOKEN=env:API_TOKEN", "API_TOKEN=t0ken"), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) await(what string, within time.Duration, done func() bool) {
	w.t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !done(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("no sign of %s", what)
		}
	}
}
