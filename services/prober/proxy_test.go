package prober_test

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober"
)

// exit is a SOCKS proxy that remembers what it was asked for.
type exit struct {
	net.Listener
	mu    sync.Mutex
	asked []string
}

func startExit(t *testing.T) *exit {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	e := &exit{Listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go e.serve(conn)
		}
	}()
	return e
}

func (e *exit) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r, err := socks.Accept(conn)
	if err != nil {
		return
	}
	e.mu.Lock()
	e.asked = append(e.asked, r.Target.String())
	e.mu.Unlock()
	to, err := net.Dial("tcp", r.Target.String())
	if r.Answer(conn, err) != nil || err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	go func() { _, _ = io.Copy(to, conn) }()
	_, _ = io.Copy(conn, to)
}

func (e *exit) wasAsked(address string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.asked, address)
}

func TestProberMeasuresThroughItsProxy(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t, "london")
	http, tcp, anchor, database, proxy := startApp(t), startApp(t), startApp(t), deaf(t), startExit(t)
	world := topology(beat, schemas.Endpoint{Variant: "slim", HTTP: http.URL, TCP: tcp.address(), ICMP: "127.0.0.1", Database: "env:SHOP_DATABASE_URL"})
	world.Vantages[0].Anchors = []string{anchor.address()}
	apply(t, s, world)
	environment := settings(t, s, t.TempDir())
	environment["LEEWARD_PROBE_PROXY"] = proxy.Addr().String()
	environment["SHOP_DATABASE_URL"] = "postgres://shop@" + database + "/shop?sslmode=disable"
	p := start(t, environment)
	for name, address := range map[string]string{"http": http.address(), "tcp": tcp.address(), "an anchor": anchor.address(), "a database": database} {
		wait(t, name+" through the proxy", func() bool { return proxy.wasAsked(address) })
	}
	// ICMP does not go through it, and must not go past it.
	for kind, outcome := range map[string]string{"http": "ok", "tcp": "ok", "db_read": "refused", "icmp": "other"} {
		wait(t, kind+" "+outcome, func() bool {
			return value(t, p.metrics, "leeward_prober_samples_total", map[string]string{"kind": kind, "outcome": outcome}) > 0
		})
	}
}

func TestSettingsThatCanNotBeAreRefused(t *testing.T) {
	for name, value := range map[string]string{"LEEWARD_PROBE_PROXY": "http://proxy:1080", "LEEWARD_PROBE_CHECKS": "checks"} {
		environment := map[string]string{"LEEWARD_NATS_URL": "x", "LEEWARD_NATS_SEED": "x", "LEEWARD_VANTAGE": "london", name: value}
		err := prober.Run(t.Context(), daemon.Process{Getenv: func(name string) string { return environment[name] }, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err == nil || !strings.Contains(err.Error(), name+": ") || !strings.Contains(err.Error(), value) {
			t.Errorf("error %v does not name the setting %s", err, name)
		}
	}
}
