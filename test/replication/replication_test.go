// Package replication_test lets a replica fall behind, in front of real probers and a real ranker, and looks at what the ranking says of it.
package replication_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/postgrestest"
	"github.com/leeward-failover/leeward/schemas"
)

const (
	round = 500 * time.Millisecond
	rpo   = time.Second
)

// TestPausedReplicaClosesItsRegionsGate follows the lag of a replica from two probers to the ranking: behind, caught up, without a word from the primary,
// without the primary, and gone itself.
func TestPausedReplicaClosesItsRegionsGate(t *testing.T) {
	primary := postgrestest.Start(t)
	primary.Do(postgrestest.Heartbeats + "; CREATE ROLE probe LOGIN; GRANT SELECT, INSERT, UPDATE ON leeward_heartbeat TO probe")
	replica := primary.Follow()
	s := bustest.Start(t, "london", "madrid")
	dsn := chembedtest.Start(t)
	leeward := build(t)
	ready(t, serve(t, leeward, "recorder", nil, map[string]string{"LEEWARD_CLICKHOUSE_DSN": dsn}, s.URL(), s.Seed(schemas.Recorder, "")))
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(dsn), 0o600); err != nil {
		t.Fatal(err)
	}
	// So seldom that only what turned can make it rank in time.
	serve(t, leeward, "ranker", nil, map[string]string{"LEEWARD_CLICKHOUSE_DSN": "file:" + file, "LEEWARD_RANK_INTERVAL": "1m"}, s.URL(), s.Seed(schemas.Ranker, ""))
	as := func(url string) string { return strings.Replace(url, "postgres:secret-word@", "probe@", 1) }
	prober := ""
	for _, vantage := range []string{"london", "madrid"} {
		prober = serve(t, leeward, "prober", []string{vantage}, map[string]string{
			"LEEWARD_VANTAGE": vantage, "LEEWARD_PROBE_ALLOW": "127.0.0.0/8", "LEEWARD_SPOOL_DIR": t.TempDir(), "PRIMARY": as(primary.URL()), "REPLICA": as(replica.URL()),
		}, s.URL(), s.Seed(schemas.Prober, vantage))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	apply(ctx, t, s)
	rankings := bus.NewMirror(s.Connect(schemas.Gateway, ""), schemas.RankingBucket)
	running := make(chan struct{})
	go func() { defer close(running); _ = rankings.Run(ctx) }()
	defer func() { cancel(); <-running }()

	await := func(result schemas.GateResult, evidence string) (schemas.Gate, time.Time) {
		t.Helper()
		return awaitGate(ctx, t, rankings, "london", result, evidence)
	}
	await(schemas.Pass, "behind the last write the primary acknowledged, at most 1s allowed")

	paused := time.Now()
	replica.Do("SELECT pg_wal_replay_pause()")
	g, closed := await(schemas.Fail, "behind the last write the primary acknowledged, at most 1s allowed")
	// Two rounds, and what a busy machine takes to notice. The lag passes the limit no later than the limit after the pause.
	late := closed.Sub(paused) - rpo
	t.Logf("gate closed %s after the lag passed %s: %s", late.Round(time.Millisecond), rpo, g.Evidence)
	if late > 2*round+500*time.Millisecond {
		t.Errorf("the gate closed %s after the lag passed the limit, want two rounds, %s", late, 2*round)
	}
	if g := gateOf(rankings, "frankfurt"); g.Result != schemas.Pass {
		t.Errorf("the primary's own region is %s: %s", g.Result, g.Evidence)
	}
	lagged(ctx, t, dsn)
	if seconds := gauge(t, prober); seconds <= rpo.Seconds() {
		t.Errorf("the gauge says %v s while the replica stands still", seconds)
	}
	replica.Do("SELECT pg_wal_replay_resume()")
	await(schemas.Pass, "")

	// The primary is there and takes no heartbeats: whether it takes other writes nobody knows.
	primary.Do("REVOKE INSERT ON leeward_heartbeat FROM probe")
	await(schemas.Unknown, "no vantage knows a write that the primary acknowledged")
	primary.Do("GRANT INSERT ON leeward_heartbeat TO probe")
	await(schemas.Pass, "")

	primary.Kill()
	awaitGate(ctx, t, rankings, "frankfurt", schemas.Unknown, "has not answered for")
	if g := gateOf(rankings, "london"); g.Result != schemas.Pass || !strings.Contains(g.Evidence, "the primary has acknowledged none for") {
		t.Errorf("the primary is gone, and the region that holds all it acknowledged is %s: %s", g.Result, g.Evidence)
	}
	replica.Kill()
	await(schemas.Unknown, "the region's database has not answered for")
}

// build builds the one binary that people install.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leeward")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/leeward")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// serve runs a service until the test ends and returns the address it answers at for its health.
func serve(t *testing.T, leeward, service string, names []string, settings map[string]string, url, seed string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	health := l.Addr().String()
	_ = l.Close()
	var log bytes.Buffer
	cmd := exec.Command(leeward, "serve", service)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "LEEWARD_NATS_URL="+url, "LEEWARD_NATS_SEED="+seed, "LEEWARD_HEALTH_ADDR="+health)
	for k, v := range settings {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s %v:\n%s", service, names, log.Bytes()[max(0, log.Len()-2000):])
		}
	})
	return "http://" + health
}

// ready waits until a service is.
func ready(t *testing.T, url string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		resp, err := http.Get(url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", url, err)
		}
	}
}

// apply makes a topology of two regions the running one: the primary is in frankfurt, its replica in london.
func apply(ctx context.Context, t *testing.T, s *bustest.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	app := schemas.App{Name: "shop", Mode: "auto", Variants: []schemas.Variant{{Name: "slim"}}, PrimaryDatabase: "env:PRIMARY",
		Endpoints: []schemas.Endpoint{
			{Region: "frankfurt", Variant: "slim", TCP: l.Addr().String(), Database: "env:PRIMARY"},
			{Region: "london", Variant: "slim", TCP: l.Addr().String(), Database: "env:REPLICA"},
		},
		Probe:     schemas.Probe{Interval: schemas.Duration(round), Timeout: schemas.Duration(4 * round / 5), DownAfter: 3, UpAfter: 1},
		Objective: schemas.Objective{Kind: "tcp", Quantile: 0.5, Window: schemas.Duration(10 * time.Second), WritesPerRequest: 1},
		Gates:     schemas.Gates{RPO: schemas.Duration(rpo)},
		Failover:  schemas.Failover{Quorum: 0.5, MinVantages: 1},
	}
	topology := schemas.Topology{Version: 1, Apps: []schemas.App{app},
		Regions:  []schemas.Region{{Name: "frankfurt"}, {Name: "london"}},
		Vantages: []schemas.Vantage{{Name: "london", Region: "london"}, {Name: "madrid"}}}
	gateway := s.Connect(schemas.Gateway, "")
	for _, part := range topology.Parts("test", time.Now()) {
		if _, err := bus.Put(ctx, gateway, schemas.TopologyBucket, part, bus.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

func gateOf(rankings *bus.Mirror[schemas.Ranking], region string) schemas.Gate {
	entry, _ := rankings.Get("shop")
	for _, o := range entry.Value.Orders {
		for _, c := range o.Candidates {
			for _, g := range c.Gates {
				if c.Region == region && g.Name == "replication" {
					return g
				}
			}
		}
	}
	return schemas.Gate{}
}

// awaitGate waits until the ranking says a result of a region's gate, and returns when it did.
func awaitGate(ctx context.Context, t *testing.T, rankings *bus.Mirror[schemas.Ranking], region string, want schemas.GateResult, evidence string) (schemas.Gate, time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	for {
		changed := rankings.Changed()
		g := gateOf(rankings, region)
		if g.Result == want && strings.Contains(g.Evidence, evidence) {
			return g, time.Now()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the gate of %s is %q (%s), want %s (%s)", region, g.Result, g.Evidence, want, evidence)
		}
	}
}

// gauge reads the lag of london that the prober in madrid exports.
func gauge(t *testing.T, url string) float64 {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), `leeward_prober_replication_lag_seconds{app="shop",region="london",vantage="madrid"} `)
	var seconds float64
	if _, err := fmt.Sscan(rest, &seconds); !found || err != nil {
		t.Fatalf("the prober exports no lag of london: %v\n%s", err, text)
	}
	return seconds
}

// lagged waits until a sample in ClickHouse tells of a lag past the limit.
func lagged(ctx context.Context, t *testing.T, dsn string) {
	t.Helper()
	db, err := clickhouse.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var longest uint32
		err := db.QueryRow(ctx, "SELECT max(latency_us) FROM samples WHERE kind = 'db_lag' AND region = 'london' AND vantage = 'madrid'").Scan(&longest)
		if err == nil && time.Duration(longest)*time.Microsecond > rpo {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the longest lag in ClickHouse is %d µs: %v", longest, errors.Join(err, ctx.Err()))
		}
	}
}
