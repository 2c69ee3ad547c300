package leaf_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/schemas"
)

// serverVariable makes the test's binary a NATS server from the configuration file that it names.
const serverVariable = "LEEWARD_TEST_NATS"

func TestMain(m *testing.M) {
	if path := os.Getenv(serverVariable); path != "" {
		// Whatever ends the test ends its servers.
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(1) }()
		daemon.Main("nats", func(ctx context.Context, proc daemon.Process) error { return natsd.RunFile(ctx, path, proc.Log) })
		return
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// vantages are one at the hub and one behind the leaf of region tokyo.
var vantages = []string{"frankfurt", "tokyo"}

// world is a hub of three servers and a leaf in tokyo, each a process that runs from the files in deploy/nats, with a link from the leaf to each server that can be cut.
type world struct {
	*testing.T
	keys  string
	hub   []*node
	leaf  *node
	links []*link
}

// node is a NATS server.
type node struct {
	t    *testing.T
	addr string
	env  []string
	cmd  *exec.Cmd
	log  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, keys: filepath.Join(dir, "keys")}
	d := natsd.Deployment{Keys: w.keys, Vantages: vantages, Leaves: []natsd.Leaf{{Domain: "tokyo", Vantages: []string{"tokyo"}}}}
	var leaves []string
	for range 3 {
		at := natsd.Node{Routes: freeAddr(t), Leaves: freeAddr(t)}
		l := newLink(t, at.Leaves)
		w.links = append(w.links, l)
		leaves = append(leaves, at.Leaves)
		at.Leaves = l.addr()
		d.Hub = append(d.Hub, at)
	}
	written := filepath.Join(dir, "deploy")
	if err := d.Write(written); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"hub.conf": "hub", "leaf.conf": "tokyo"} {
		text, err := os.ReadFile(filepath.Join("../../deploy/nats", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(written, folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range d.Hub {
		name := "nats-" + strconv.Itoa(i+1)
		w.hub = append(w.hub, newNode(t, filepath.Join(written, "hub", "hub.conf"), filepath.Join(dir, name),
			"NATS_NAME="+name, "NATS_ROUTES="+d.Hub[i].Routes, "NATS_LEAVES="+leaves[i]))
	}
	w.leaf = newNode(t, filepath.Join(written, "tokyo", "leaf.conf"), filepath.Join(dir, "tokyo"))
	return w
}

func newNode(t *testing.T, config, dir string, env ...string) *node {
	t.Helper()
	n := &node{t: t, addr: freeAddr(t), log: dir + ".log"}
	n.env = append(env, serverVariable+"="+config, "NATS_LISTEN="+n.addr, "NATS_MONITOR="+freeAddr(t), "NATS_STORE="+dir, "LEEWARD_LOG_LEVEL=debug")
	n.start()
	t.Cleanup(func() {
		n.kill()
		if text, err := os.ReadFile(n.log); err == nil && t.Failed() {
			t.Logf("the end of %s:\n%s", filepath.Base(n.log), text[max(0, len(text)-6000):])
		}
	})
	return n
}

func (n *node) start() {
	n.t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env, n.cmd.Stderr = append(os.Environ(), n.env...), log
	if _, err := n.cmd.StdinPipe(); err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// hubURL names every server of the hub.
func (w *world) hubURL() string {
	var urls []string
	for _, n := range w.hub {
		urls = append(urls, "nats://"+n.addr)
	}
	return strings.Join(urls, ",")
}

func (w *world) leafURL() string { return "nats://" + w.leaf.addr }

func (w *world) seed(s schemas.Service, vantage string) string {
	return natsd.SeedFile(w.keys, schemas.UserName(s, vantage))
}

func (w *world) connect(o bus.Options) *bus.Bus {
	w.Helper()
	o.Seed, o.Log = w.seed(o.Service, o.Vantage), zerolog.New(logWriter{w.T}).With().Timestamp().Str("user", schemas.UserName(o.Service, o.Vantage)).Logger()
	b, err := bus.Connect(o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(b.Close)
	return b
}

// create makes what the hub and the leaf hold.
func (w *world) create() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	if err := w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Setup, Replicas: 3}).Create(ctx, vantages); err != nil {
		w.Fatal(err)
	}
	leaf, err := w.connect(bus.Options{URL: w.leafURL(), Service: schemas.Setup}).In("")
	if err != nil {
		w.Fatal(err)
	}
	if err := leaf.CreateSamples(ctx); err != nil {
		w.Fatal(err)
	}
}

func (w *world) cut() {
	for _, l := range w.links {
		l.cut()
	}
}

func (w *world) heal() {
	for _, l := range w.links {
		l.heal()
	}
}

func (w *world) until(what string, try func() error) {
	w.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: %v", what, err)
		}
	}
}

// run runs a service in this process until the test ends.
func (w *world) run(name string, service daemon.Run, env map[string]string) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	proc := daemon.NewProcess(name, nil, func(name string) string { return env[name] }, io.Discard, logWriter{w.T})
	go func() {
		defer close(done)
		if err := service(ctx, proc); err != nil && ctx.Err() == nil {
			w.Errorf("%s: %v", name, err)
		}
	}()
	w.Cleanup(func() { cancel(); <-done })
}

type logWriter struct{ t *testing.T }

func (l logWriter) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// batch makes batch number counter of a vantage, due now.
func batch(vantage string, boot, counter uint64, rows int) *schemas.SampleBatch {
	b := &schemas.SampleBatch{Vantage: vantage, VantageRegion: vantage, Boot: boot, Counter: counter, Topology: "t1"}
	due := time.Now().UnixMicro()
	for range rows {
		b.Append(schemas.Sample{App: "shop", Region: "london", Variant: "slim", Kind: schemas.KindTCP, Outcome: schemas.OK, DueUS: due, LatencyUS: 1000, ConnectUS: 1000})
	}
	return b
}

func publish(ctx context.Context, b *bus.Bus, batch *schemas.SampleBatch) error {
	data, err := batch.Encode()
	if err != nil {
		return err
	}
	if err := b.PublishRaw(ctx, schemas.SampleSubject(batch.Vantage), batch.MessageID(), data); err != nil {
		return fmt.Errorf("batch %d: %w", batch.Counter, err)
	}
	return nil
}
