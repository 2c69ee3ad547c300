package prober_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober"
)

// TestMain lets a test start this binary as a prober of its own, to kill it.
func TestMain(m *testing.M) {
	if os.Getenv("LEEWARD_TEST_PROBER") == "1" {
		daemon.Main("prober", prober.Run)
		return
	}
	os.Exit(m.Run())
}

// app is a listener that answers, answers badly, or falls silent.
type app struct {
	*httptest.Server
	status atomic.Int32
	silent atomic.Bool
}

func startApp(t *testing.T) *app {
	t.Helper()
	a := &app{}
	a.status.Store(http.StatusOK)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.silent.Load() {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(int(a.status.Load()))
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) address() string { return strings.TrimPrefix(a.URL, "http://") }

// deaf is an address at which nobody listens.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// topology has one app with its endpoints in region tokyo, measured by vantage london.
func topology(interval time.Duration, endpoints ...schemas.Endpoint) schemas.Topology {
	for i := range endpoints {
		endpoints[i].Region = "tokyo"
	}
	return schemas.Topology{
		Version:  1,
		Regions:  []schemas.Region{{Name: "tokyo"}, {Name: "london"}},
		Vantages: []schemas.Vantage{{Name: "london", Region: "london"}},
		Apps: []schemas.App{{Name: "shop", Variants: []schemas.Variant{{Name: "single"}, {Name: "slim"}}, Endpoints: endpoints,
			Probe:     schemas.Probe{Interval: schemas.Duration(interval), Timeout: schemas.Duration(4 * interval / 5), DownAfter: 3, UpAfter: 2},
			Objective: schemas.Objective{Kind: "http"}}},
	}
}

// apply makes a topology the running one, as the gateway does.
func apply(t *testing.T, s *bustest.Server, topology schemas.Topology) {
	t.Helper()
	gateway := s.Connect(schemas.Gateway, "")
	for _, part := range topology.Parts("test", time.Now()) {
		if _, err := bus.Put(t.Context(), gateway, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

// settings are the environment of a prober.
func settings(t *testing.T, s *bustest.Server, spool string) map[string]string {
	t.Helper()
	return map[string]string{
		"LEEWARD_NATS_URL": s.URL(), "LEEWARD_NATS_SEED": s.Seed(schemas.Prober, "london"), "LEEWARD_VANTAGE": "london",
		"LEEWARD_HEALTH_ADDR": deaf(t), "LEEWARD_SPOOL_DIR": spool, "LEEWARD_PROBE_ALLOW": "127.0.0.0/8",
	}
}

// running is a prober in this process.
type running struct {
	stop    func()
	metrics *prometheus.Registry
}

// start runs a prober until the test ends or stop is called.
func start(t *testing.T, environment map[string]string) running {
	t.Helper()
	log := zerolog.Nop()
	if testing.Verbose() {
		log = zerolog.New(zerolog.NewTestWriter(t)).With().Timestamp().Logger()
	}
	return startWith(t, environment, log)
}

// startWith is start with a log.
func startWith(t *testing.T, environment map[string]string, log zerolog.Logger) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	proc := daemon.Process{Getenv: func(name string) string { return environment[name] }, Log: log, Metrics: prometheus.NewRegistry()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := prober.Run(ctx, proc); err != nil && ctx.Err() == nil {
			t.Errorf("prober: %v", err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return running{stop, proc.Metrics}
}

// stored reads every sample of the SAMPLES stream, each batch once, and goes on until enough returns true.
func stored(ctx context.Context, t *testing.T, recorder *bus.Bus, enough func(batches []*schemas.SampleBatch) bool) []*schemas.SampleBatch {
	t.Helper()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var batches []*schemas.SampleBatch
	err := recorder.Tail(reading, schemas.Samples, 1, nil, func(m bus.Message) error {
		b, err := schemas.DecodeSampleBatch(m.Subject, m.Data)
		if err != nil {
			return err
		}
		if batches = append(batches, b); enough(batches) {
			stop()
		}
		return nil
	})
	if ctx.Err() != nil || reading.Err() == nil {
		t.Fatalf("reading samples after %d batches: %v", len(batches), err)
	}
	return batches
}

// mirror keeps a live copy of a bucket.
func mirror[V schemas.Value](t *testing.T, b *bus.Bus, bucket schemas.Bucket[V]) *bus.Mirror[V] {
	t.Helper()
	m := bus.NewMirror(b, bucket)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

// await waits for a value that fits.
func await[V schemas.Value](t *testing.T, m *bus.Mirror[V], what string, fits func(V) bool, key ...string) V {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		changed := m.Changed()
		e, ok := m.Get(key...)
		if ok && fits(e.Value) {
			return e.Value
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("waiting for %s; last is %+v", what, e.Value)
		}
	}
}

func health(h schemas.Health) func(schemas.Verdict) bool {
	return func(v schemas.Verdict) bool { return v.Health == h }
}

// wait waits for a condition that no channel tells of.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s", what)
		}
	}
}

// ready waits until a prober says that it can work.
func ready(t *testing.T, environment map[string]string) {
	t.Helper()
	wait(t, "readiness", func() bool {
		response, err := http.Get("http://" + environment["LEEWARD_HEALTH_ADDR"] + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}
