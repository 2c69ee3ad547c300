// Package load_test puts load on an app with real load generators, as the README of each example says, and looks for every request in ClickHouse.
package load_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

const root = "../.."

// regions is what there is to be told apart: an app in each, behind one entry.
var regions = []string{"frankfurt", "london"}

// failEvery is how many requests the app in the second region takes before it fails one: by an error, and by hanging up the next time.
const failEvery = 75

// TestEveryRequestOfALoadGeneratorIsASample runs the lines of the examples' READMEs: load on an entry point, then the import. What the tool counted,
// what the app was asked, and what is in ClickHouse afterwards are one number, in each region and of each outcome.
func TestEveryRequestOfALoadGeneratorIsASample(t *testing.T) {
	for _, tool := range []struct {
		name, needs string
		// more is put on the tool: so much load that it takes several batches.
		env     []string
		replace *strings.Replacer
		// counted finds in what it printed how many requests it made.
		counted *regexp.Regexp
	}{
		{name: "k6", needs: "bin/k6", env: []string{"K6_VUS=4", "K6_ITERATIONS=1600"}, counted: regexp.MustCompile(`(?m)^\s*http_reqs\.*: (\d+)`)},
		{name: "jmeter", needs: "/usr/share/jmeter/lib/ext/ApacheJMeter_http.jar", replace: strings.NewReplacer("-Jport=", "-Jloops=400 -Jport="), counted: regexp.MustCompile(`(?m)^summary = +(\d+) in`)},
	} {
		t.Run(tool.name, func(t *testing.T) {
			if tool.needs[0] != '/' {
				tool.needs = filepath.Join(root, tool.needs)
			}
			if _, err := os.Stat(tool.needs); err != nil {
				unavailable(t, fmt.Sprintf("%s is not installed (make install k6): %v", tool.name, err))
			}
			w := start(t)
			lines := strings.TrimSpace(w.lines("examples/"+tool.name+"/README.md")) + " --region " + regions[1] + " --variant slim"
			if tool.replace != nil {
				lines = tool.replace.Replace(lines)
			}
			out := w.run(lines, tool.env...)
			m := tool.counted.FindAllStringSubmatch(out, -1)
			if m == nil {
				t.Fatalf("it does not say how many requests it made:\n%s", out)
			}
			made, _ := strconv.ParseInt(m[len(m)-1][1], 10, 64)
			if asked := w.asked(); made != asked.total() || made != 1600 {
				t.Errorf("%s counted %d requests and the app %d, want 1600, which is more than a batch", tool.name, made, asked.total())
			}
			if want := fmt.Sprintf("%d samples of kind bench imported", made); !strings.Contains(out, want) {
				t.Errorf("the import does not say %q:\n%s", want, out)
			}
			w.stored()
			// The same file again, as by someone who is not sure that it worked.
			w.run(lines[strings.Index(lines, "bin/leeward import"):])
			w.stored()
			t.Logf("%s made %d requests: %+v", tool.name, made, w.asked())
		})
	}
}

func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// count is the requests that a region was asked, and those of them that failed.
type count struct{ Requests, Failures uint64 }

type counts map[string]count

func (c counts) total() (n int64) {
	for _, region := range c {
		n += int64(region.Requests)
	}
	return n
}

// world is an app in two regions behind a HAProxy, and the part of Leeward that samples pass through.
type world struct {
	t                *testing.T
	folder           string
	entry, api       string
	dsn              string
	bus              *bustest.Server
	requests, failed map[string]*atomic.Uint64
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, folder: t.TempDir(), dsn: chembedtest.Start(t), requests: map[string]*atomic.Uint64{}, failed: map[string]*atomic.Uint64{}}
	for _, name := range []string{"examples", "bin"} {
		w.do(os.Mkdir(filepath.Join(w.folder, name), 0o700))
	}
	repository, err := filepath.Abs(root)
	w.do(err)
	for _, name := range []string{"examples/k6", "examples/jmeter", "bin/k6"} {
		w.do(os.Symlink(filepath.Join(repository, name), filepath.Join(w.folder, name)))
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(w.folder, "bin/leeward"), "./cmd/leeward")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	var servers, endpoints strings.Builder
	for i, region := range regions {
		app := w.app(region, i == 1)
		fmt.Fprintf(&servers, "  server %s %s\n", region, app)
		fmt.Fprintf(&endpoints, "      - {region: %s, variant: slim, http: \"http://%s/healthz\"}\n", region, app)
	}
	w.startEntry(servers.String())
	w.startLeeward(endpoints.String())
	return w
}

func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// app is the app in a region, which takes five milliseconds; where it is sickly, it fails now and then.
func (w *world) app(region string, sickly bool) (address string) {
	requests, failed := new(atomic.Uint64), new(atomic.Uint64)
	w.requests[region], w.failed[region] = requests, failed
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		time.Sleep(5 * time.Millisecond)
		out.Header().Set("X-Leeward-Instance", region+"/slim/1")
		if n := requests.Add(1); sickly && n%failEvery == 0 {
			failed.Add(1)
			if n%(2*failEvery) == 0 {
				panic(http.ErrAbortHandler) // the entry answers in its place, and does not say for whom
			}
			out.WriteHeader(http.StatusInternalServerError)
		}
	}))
	w.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// asked is what the app was asked so far.
func (w *world) asked() counts {
	all := counts{}
	for _, region := range regions {
		all[region] = count{w.requests[region].Load(), w.failed[region].Load()}
	}
	return all
}

// startEntry starts the HAProxy that load comes in through. It sends no request twice.
func (w *world) startEntry(servers string) {
	w.t.Helper()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		unavailable(w.t, err.Error())
	}
	w.entry = free(w.t)
	config := filepath.Join(w.folder, "haproxy.cfg")
	w.do(os.WriteFile(config, []byte("global\n  stats socket "+w.socket()+" mode 600 level admin\ndefaults\n  mode http\n  retries 0\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\n"+
		"frontend entry\n  bind "+w.entry+"\n  default_backend shop\nbackend shop\n  balance roundrobin\n"+servers), 0o600))
	w.child([]string{haproxy, "-db", "-f", config})
	await(w.t, "HAProxy", func() error {
		conn, err := new(net.Dialer).DialContext(w.t.Context(), "tcp", w.entry)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// socket is the runtime socket of the entry.
func (w *world) socket() string { return filepath.Join(w.folder, "entry.sock") }

const topology = `version: 1
regions:
  - {name: frankfurt, location: {latitude: 50.11, longitude: 8.68}, jurisdiction: DE}
  - {name: london, location: {latitude: 51.51, longitude: -0.13}, jurisdiction: GB}
vantages:
  - {name: madrid}
apps:
  - name: shop
    start: {region: frankfurt, variant: slim}
    variants:
      - {name: slim}
    objective: {kind: http}
    failover: {verify: {url: "http://127.0.0.1:9/healthz"}}
    endpoints:
`

// startLeeward starts a bus, a recorder and a gateway, and applies the topology.
func (w *world) startLeeward(endpoints string) {
	w.t.Helper()
	w.bus = bustest.Start(w.t, "madrid")
	w.api = free(w.t)
	w.service(schemas.Recorder, "LEEWARD_CLICKHOUSE_DSN="+w.dsn)
	w.service(schemas.Gateway, "LEEWARD_API_ADDR="+w.api, "LEEWARD_API_TOKEN=env:API_TOKEN", "API_TOKEN=t0ken")
	w.do(os.WriteFile(filepath.Join(w.folder, "leeward.yaml"), []byte(topology+endpoints), 0o600))
	w.run("bin/leeward apply leeward.yaml")
}

// service starts a service of Leeward and waits until it is ready.
func (w *world) service(user schemas.Service, settings ...string) {
	w.t.Helper()
	health := w.serve(user, settings...)
	await(w.t, string(user), func() error { return get(w.t.Context(), "http://"+health+"/readyz") })
}

func (w *world) serve(user schemas.Service, settings ...string) (health string) {
	w.t.Helper()
	health = free(w.t)
	w.child([]string{filepath.Join(w.folder, "bin/leeward"), "serve", string(user)},
		append(settings, "LEEWARD_NATS_URL="+w.bus.URL(), "LEEWARD_NATS_SEED="+w.bus.Seed(user, ""), "LEEWARD_HEALTH_ADDR="+health)...)
	return health
}

// lines are those of a README's first block of commands, at this world's entry.
func (w *world) lines(readme string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(root, readme))
	w.do(err)
	_, rest, _ := strings.Cut(string(text), "```sh\n")
	lines, _, ok := strings.Cut(rest, "```")
	host, port, _ := strings.Cut(w.entry, ":")
	here := strings.NewReplacer("10.88.0.1:8000", w.entry, "-Jhost=10.88.0.1", "-Jhost="+host, "-Jport=8000", "-Jport="+port).Replace(lines)
	if !ok || here == lines || !strings.Contains(here, "\nbin/leeward import ") || strings.Contains(here, "10.88.") {
		w.t.Fatalf("%s has no lines that put load on 10.88.0.1:8000 and import it", readme)
	}
	return here
}

// run runs lines of a shell in this world's folder as a user of its gateway.
func (w *world) run(lines string, env ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", lines)
	cmd.Dir, cmd.WaitDelay = w.folder, time.Second
	cmd.Env = append(append(os.Environ(), "LEEWARD_API=http://"+w.api, "LEEWARD_API_TOKEN=env:API_TOKEN", "API_TOKEN=t0ken"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s\n%v\n%s", lines, err, out)
	}
	return string(out)
}

// stored waits until ClickHouse has a sample for each request, in the table and in the view, and no other.
func (w *world) stored() {
	w.t.Helper()
	db, err := clickhouse.Open(w.dsn)
	w.do(err)
	defer func() { _ = db.Close() }()
	for what, query := range map[string]string{
		"samples":           "SELECT region, count(), countIf(outcome != 'ok') FROM samples WHERE kind = 'bench' AND app = 'shop' AND variant = 'slim' GROUP BY region",
		"latency_by_region": "SELECT region, sum(samples), sum(failures) FROM latency_by_region WHERE kind = 'bench' AND app = 'shop' AND p50_ms BETWEEN 5 AND 1000 GROUP BY region",
	} {
		await(w.t, what, func() error {
			rows, err := db.Query(w.t.Context(), query)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			got := counts{}
			for rows.Next() {
				var region string
				var c count
				if err := rows.Scan(&region, &c.Requests, &c.Failures); err != nil {
					return err
				}
				got[region] = c
			}
			if diff := cmp.Diff(w.asked(), got); diff != "" {
				return fmt.Errorf("what the app was asked, and what is stored:\n%s", diff)
			}
			return rows.Err()
		})
	}
}

// child runs a process until the test ends.
func (w *world) child(argv []string, env ...string) {
	w.t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &log, &log, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	w.do(cmd.Start())
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("%v:\n%s", argv, log.Bytes()[max(0, log.Len()-2000):])
		}
	})
}

func free(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// await waits until something is as it should be.
func await(t *testing.T, what string, done func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		err := done()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
