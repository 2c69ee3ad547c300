package actuator_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
	actuator "github.com/leeward-failover/leeward/services/failover-actuator"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/haproxytest"
)

// TestMain is the actuator itself where a test starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("LEEWARD_TEST_PROCESS") != "" {
		daemon.Main("failover-actuator", actuator.Run)
		return
	}
	// Most of these tests wait most of the time: for leases to expire, for events to be offered again.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const variant = "slim"

var regions = []string{"frankfurt", "london", "tokyo"}

func in(region string) schemas.Candidate { return schemas.Candidate{Region: region, Variant: variant} }

// world is a bus, an entry and an app in three regions, seen from four vantages.
type world struct {
	*testing.T
	ctx      context.Context
	server   *bustest.Server
	gateway  *bus.Bus
	ranker   *bus.Bus
	proxy    *haproxytest.HAProxy
	relay    *haproxytest.Relay
	plans    *bus.Mirror[schemas.Plan]
	routes   *bus.Mirror[schemas.Route]
	leases   *bus.Mirror[schemas.Lease]
	topology schemas.Topology
	events   *events
	verdicts *bus.Mirror[schemas.Verdict]
	log      *processtest.Output

	apps map[string]*httptest.Server

	mu    sync.Mutex
	down  map[string]int // by region: how many vantages see it down
	moved chan struct{}
	asked []schemas.ProbeRequested
}

var vantages = []string{"frankfurt", "london", "madrid", "tokyo"}

// newWorld starts everything but the actuator; change may alter the app.
func newWorld(t *testing.T, change func(*schemas.App)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	w := &world{T: t, ctx: ctx, log: &processtest.Output{}, down: map[string]int{}, moved: make(chan struct{}), apps: map[string]*httptest.Server{}}
	w.server = bustest.Start(t, vantages...)
	w.gateway, w.ranker = w.server.Connect(schemas.Gateway, ""), w.server.Connect(schemas.Ranker, "")
	var servers []haproxytest.Server
	var names []schemas.HAProxyServer
	app := schemas.App{
		Name: "shop", Source: schemas.Source{Context: "shop"}, Mode: "auto", Start: in("frankfurt"), Variants: []schemas.Variant{{Name: variant}},
		Probe:     schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(500 * time.Millisecond), DownAfter: 1, UpAfter: 1},
		Objective: schemas.Objective{Kind: "http", Quantile: 0.95, Window: schemas.Duration(time.Minute)},
		Failover: schemas.Failover{Verdicts: true, Quorum: 0.6, MinVantages: 3, MaxRankingAge: schemas.Duration(time.Hour), CoolDown: schemas.Duration(time.Second),
			Verify: schemas.Verify{Header: "X-Leeward-Instance", Timeout: schemas.Duration(5 * time.Second)}},
	}
	for _, region := range regions {
		w.apps[region] = serve(t, region)
		addr := strings.TrimPrefix(w.apps[region].URL, "http://")
		servers = append(servers, haproxytest.Server{Name: region, Addr: addr})
		names = append(names, schemas.HAProxyServer{Region: region, Variant: variant, Server: region})
		app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: variant, HTTP: w.apps[region].URL})
		w.topology.Regions = append(w.topology.Regions, schemas.Region{Name: region})
	}
	servers[0].Weight = 100
	w.proxy = haproxytest.Start(t, servers...)
	w.relay = haproxytest.NewRelay(t, w.proxy.Socket)
	app.Failover.Verify.URL = w.proxy.URL
	app.Targets = []schemas.Target{{Name: "entry", HAProxy: &schemas.HAProxyTarget{Socket: w.relay.Socket, Backend: haproxytest.Backend, Servers: names}}}
	for _, name := range vantages {
		w.topology.Vantages = append(w.topology.Vantages, schemas.Vantage{Name: name})
	}
	if change != nil {
		change(&app)
	}
	w.topology.Version, w.topology.Apps = 1, []schemas.App{app}

	w.plans, w.routes = bus.NewMirror(w.gateway, schemas.PlanBucket), bus.NewMirror(w.gateway, schemas.RouteBucket)
	w.leases = bus.NewMirror(w.gateway, schemas.LeaseBucket)
	w.verdicts = bus.NewMirror(w.gateway, schemas.VerdictBucket)
	w.events = &events{}
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	running.Go(func() { _ = w.plans.Run(ctx) })
	running.Go(func() { _ = w.routes.Run(ctx) })
	running.Go(func() { _ = w.leases.Run(ctx) })
	running.Go(func() { _ = w.verdicts.Run(ctx) })
	running.Go(func() { _ = w.gateway.Tail(ctx, schemas.Events, 1, nil, w.events.add) })
	for n, vantage := range vantages {
		prober := w.server.Connect(schemas.Prober, vantage)
		running.Go(func() { w.probe(prober, vantage, n) })
		running.Go(func() { w.look(prober, vantage, n) })
	}
	for _, part := range w.topology.Parts("test", time.Now()) {
		put(w, w.gateway, schemas.TopologyBucket, part)
	}
	builder := w.server.Connect(schemas.Builder, "")
	for _, region := range regions {
		put(w, builder, schemas.ImageBucket, schemas.ImageState{App: "shop", Variant: variant, Region: region, Build: "b",
			Digest: "sha256:" + strings.Repeat("ab", 32), Reference: "r", Parity: "verified", Since: time.Now()})
	}
	w.rank(time.Now())
	return w
}

func put[V schemas.Value](w *world, b *bus.Bus, bucket schemas.Bucket[V], value V) {
	w.Helper()
	if _, err := bus.Put(w.ctx, b, bucket, value, bus.Condition{}); err != nil {
		w.Fatal(err)
	}
}

// serve is the app in a region.
func serve(t *testing.T, region string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Leeward-Instance", region+"/"+variant+"/1")
	}))
	t.Cleanup(s.Close)
	return s
}

// rank publishes the order london, tokyo, frankfurt, whatever is active.
func (w *world) rank(at time.Time) {
	r := schemas.Ranking{App: "shop", At: at, Topology: w.topology.Hash(), Quantile: 0.95, WindowSeconds: 60}
	for _, active := range regions {
		o := schemas.Order{Active: active}
		for n, region := range []string{"london", "tokyo", "frankfurt"} {
			o.Candidates = append(o.Candidates, schemas.RankedCandidate{Candidate: in(region), Rank: n + 1, Running: true, Enough: true, Eligible: true,
				Gates: []schemas.Gate{{Name: "running", Result: schemas.Pass, Evidence: "test"}}})
		}
		r.Orders = append(r.Orders, o)
	}
	put(w, w.ranker, schemas.RankingBucket, r)
}

// sees makes the first so many vantages see a region down, from the next look on.
func (w *world) sees(region string, accusers int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down[region] = accusers
	close(w.moved)
	w.moved = make(chan struct{})
}

// probe is a vantage: it judges every region at once when something changed, and every 300 ms.
func (w *world) probe(b *bus.Bus, vantage string, n int) {
	for round := uint64(1); w.ctx.Err() == nil; round++ {
		w.mu.Lock()
		moved := w.moved
		w.mu.Unlock()
		_, _ = bus.Put(w.ctx, b, schemas.VantageBucket, schemas.Presence{Vantage: vantage, Sighted: true, Round: round, At: time.Now()}, bus.Condition{})
		for _, region := range regions {
			w.judge(b, vantage, n, region, "", round)
		}
		select {
		case <-moved:
		case <-time.After(300 * time.Millisecond):
		case <-w.ctx.Done():
		}
	}
}

// look answers requests to look, through the vantage's own reader.
func (w *world) look(b *bus.Bus, vantage string, n int) {
	_ = bus.Consume(w.ctx, b, schemas.ProbeRequestedTopic, vantage, func(_ context.Context, e schemas.ProbeRequested) error {
		if n == 0 {
			w.mu.Lock()
			w.asked = append(w.asked, e)
			w.mu.Unlock()
		}
		w.judge(b, vantage, n, e.Region, e.Incident, 0)
		return nil
	})
}

func (w *world) judge(b *bus.Bus, vantage string, n int, region, incident string, round uint64) {
	w.mu.Lock()
	v := schemas.Verdict{Vantage: vantage, App: "shop", Region: region, Health: schemas.Up, Since: time.Now(), At: time.Now(), Round: round, Incident: incident,
		Variants: []schemas.VariantHealth{{Variant: variant, OK: true}}}
	if n < w.down[region] {
		v.Health, v.Reason, v.Variants = schemas.Down, "no answer", nil
	}
	w.mu.Unlock()
	_, _ = bus.Put(w.ctx, b, schemas.VerdictBucket, v, bus.Condition{})
}

// kill ends the app in a region; nobody is told.
func (w *world) kill(region string) { w.apps[region].CloseClientConnections(); w.apps[region].Close() }

// environment is what an actuator is started with; its leases live two seconds.
func (w *world) environment(instance string) []string {
	return []string{"LEEWARD_NATS_URL=" + w.server.URL(), "LEEWARD_NATS_SEED=" + w.server.Seed(schemas.Actuator, ""),
		"LEEWARD_HEALTH_ADDR=127.0.0.1:0", "LEEWARD_INSTANCE=" + instance, "LEEWARD_LEASE_TTL=2s"}
}

// act runs an actuator in this process until the test or the returned function ends it, and waits until it stands over the app.
func (w *world) act(instance string) (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	environment := w.environment(instance)
	getenv := func(name string) string {
		for _, e := range environment {
			if k, v, _ := strings.Cut(e, "="); k == name {
				return v
			}
		}
		return ""
	}
	proc := daemon.Process{Getenv: getenv, Metrics: prometheus.NewRegistry(), Log: zerolog.New(w.log).With().Timestamp().Str("instance", instance).Logger()}
	ended := make(chan error, 1)
	go func() { ended <- actuator.Run(ctx, proc) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; ctx.Err() == nil {
			w.Errorf("actuator %s ended: %v", instance, err)
		}
	})
	w.Cleanup(stop)
	return stop
}

// spawn runs an actuator as a process of its own.
func (w *world) spawn(instance string) *exec.Cmd {
	w.Helper()
	cmd := exec.CommandContext(w.ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), "LEEWARD_TEST_PROCESS=1"), w.environment(instance)...)
	cmd.Stderr = w.log
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// await waits until a mirror holds a value that pleases, and returns it.
func await[V schemas.Value](w *world, m *bus.Mirror[V], what string, pleases func(V) bool) V {
	w.Helper()
	for {
		changed := m.Changed()
		for _, e := range m.All() {
			if pleases(e.Value) {
				return e.Value
			}
		}
		select {
		case <-changed:
		case <-w.ctx.Done():
			w.Fatalf("waited for %s; there is %v", what, m.All())
		}
	}
}

func (w *world) awaitRoute(region string, n uint64) {
	w.Helper()
	await(w, w.routes, fmt.Sprintf("a route to %s in epoch %d", region, n), func(r schemas.Route) bool {
		return r.Active == in(region) && r.Epoch == schemas.Epoch{Term: 1, N: n}
	})
}

func (w *world) awaitPlan(state schemas.PlanState) schemas.Plan {
	w.Helper()
	return await(w, w.plans, "a plan in state "+string(state), func(p schemas.Plan) bool { return p.State == state })
}

func (w *world) awaitHolder(instance string) {
	w.Helper()
	await(w, w.leases, "the lease of "+instance, func(l schemas.Lease) bool { return strings.HasPrefix(l.Holder, instance+"/") })
}

func (w *world) alert(region string, at time.Time) {
	w.Helper()
	e := schemas.AlertReceived{Source: "alertmanager", Fingerprint: region, Status: "firing", Name: "RegionDown", StartsAt: at, App: "shop", Region: region, Verified: "bearer", At: at}
	if err := bus.Publish(w.ctx, w.gateway, schemas.AlertReceivedTopic, e); err != nil {
		w.Fatal(err)
	}
}

func (w *world) request(id, region string) {
	w.Helper()
	e := schemas.FailoverRequested{Request: id, App: "shop", To: schemas.Candidate{Region: region}, Actor: "ada", Reason: "test", At: time.Now()}
	if err := bus.Publish(w.ctx, w.gateway, schemas.FailoverRequestedTopic, e); err != nil {
		w.Fatal(err)
	}
}

// answers is the instance that answers at the entry.
func (w *world) answers() string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	r, err := client.Get(w.proxy.URL)
	if err != nil {
		return err.Error()
	}
	_ = r.Body.Close()
	return r.Header.Get("X-Leeward-Instance")
}

func (w *world) looks() []schemas.ProbeRequested {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]schemas.ProbeRequested(nil), w.asked...)
}

// events counts what was published, by subject and identity.
type events struct {
	mu  sync.Mutex
	ids []string
}

func (e *events) add(m bus.Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids = append(e.ids, m.Header.Get("ce-id"))
	return nil
}

func (e *events) count(prefix string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, id := range e.ids {
		if strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}

// awaitVerdicts waits until so many vantages said that a region is in a state of health.
func (w *world) awaitVerdicts(region string, health schemas.Health, n int) {
	w.Helper()
	for {
		changed := w.verdicts.Changed()
		said := 0
		for _, e := range w.verdicts.All() {
			if e.Value.Region == region && e.Value.Health == health {
				said++
			}
		}
		if said >= n {
			return
		}
		select {
		case <-changed:
		case <-w.ctx.Done():
			w.Fatalf("waited for %d vantages to see %s %s", n, region, health)
		}
	}
}

// awaitEvents waits until so many events whose identity begins like this were published.
func (w *world) awaitEvents(prefix string, n int) {
	w.Helper()
	for w.events.count(prefix) < n {
		w.tick("%d events %s; there are %v", n, prefix, w.events.all())
	}
}

// awaitAnswer waits until an instance answers at the entry.
func (w *world) awaitAnswer(instance string) {
	w.Helper()
	for w.answers() != instance {
		w.tick("%s to answer, not %s", instance, w.answers())
	}
}

func (w *world) awaitStep(name, result string) {
	w.Helper()
	await(w, w.plans, name+" "+result, func(p schemas.Plan) bool {
		for _, s := range p.Journal {
			if s.Name == name && s.Result == result {
				return true
			}
		}
		return false
	})
}

// tick paces a wait for something that does not tell of its changes.
func (w *world) tick(format string, args ...any) {
	w.Helper()
	select {
	case <-time.After(5 * time.Millisecond):
	case <-w.ctx.Done():
		w.Fatalf("waited for "+format, args...)
	}
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.ids...)
}

var healthAddress = regexp.MustCompile(`"address":"([^"]+)","[^}]*"message":"health served"`)

// awaitReady waits until the one actuator says that it is ready, or that it is not.
func (w *world) awaitReady(status int) {
	w.Helper()
	for got := 0; got != status; {
		if address := healthAddress.FindStringSubmatch(w.log.String()); address != nil {
			r, err := http.Get("http://" + address[1] + "/readyz")
			if err != nil {
				w.Fatal(err)
			}
			_ = r.Body.Close()
			got = r.StatusCode
		}
		w.tick("/readyz to be %d, not %d", status, got)
	}
}
