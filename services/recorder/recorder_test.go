package recorder_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder"
)

// childVariable makes the test's binary a recorder, so that a test can kill one with -9.
const childVariable = "LEEWARD_TEST_RECORDER"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childVariable) != "":
		daemon.Main("recorder", recorder.Run)
		return
	case os.Getenv(publisherVariable) != "":
		daemon.Main("publisher", publishForEver)
		return
	case os.Getenv(busVariable) != "":
		daemon.Main("bus", serveBus)
		return
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// world is a real bus and a real ClickHouse with a recorder between them.
type world struct {
	*testing.T
	bus    *bustest.Server
	engine *chembedtest.Engine
	db     *clickhouse.DB
	env    map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, "frankfurt", "tokyo")
}

func newWorldOf(t *testing.T, vantages ...string) *world {
	t.Helper()
	t.Parallel() // each world is its own, and most of a test is waiting
	w := &world{T: t, engine: chembedtest.StartEngine(t), bus: bustest.Start(t, vantages...)}
	db, err := clickhouse.Open(w.engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w.db = db
	w.env = map[string]string{
		"LEEWARD_NATS_URL": w.bus.URL(), "LEEWARD_NATS_SEED": w.bus.Seed(schemas.Recorder, ""),
		"LEEWARD_CLICKHOUSE_DSN": w.engine.DSN(), "LEEWARD_HEALTH_ADDR": freeAddr(t), "LEEWARD_LEASE_TTL": "2s",
	}
	return w
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a recorder in this process until the test ends or stop is called; its end is sent to ended.
func (w *world) run(env map[string]string) (stop func(), ended <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	result, done := make(chan error, 1), make(chan struct{})
	all := maps.Clone(w.env)
	maps.Copy(all, env)
	proc := daemon.NewProcess("recorder", nil, func(name string) string { return all[name] }, io.Discard, logWriter{w.T})
	go func() {
		defer close(done)
		result <- recorder.Run(ctx, proc)
	}()
	stop = func() { cancel(); <-done }
	w.Cleanup(stop)
	return stop, result
}

type logWriter struct{ t *testing.T }

func (l logWriter) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// start runs a recorder in a process of its own and returns how to kill it and how to tell it to stop.
func (w *world) start(env map[string]string) *exec.Cmd {
	w.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	for _, set := range []map[string]string{w.env, env} {
		for name, value := range set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		cmd.Stderr = nil
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { kill(cmd) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// number is the first value of a query, or an error while ClickHouse or the table is not there.
func (w *world) number(query string) (n uint64, err error) {
	err = w.db.QueryRow(w.Context(), query).Scan(&n)
	return n, err
}

// eventually waits until a query gives a number.
func (w *world) eventually(want uint64, query string) {
	w.Helper()
	w.until(func() error {
		got, err := w.number(query)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s: %d, want %d", query, got, want)
		}
		return nil
	})
}

func (w *world) until(try func() error) {
	w.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatal(err)
		}
	}
}

// ready returns what /readyz says.
func (w *world) ready() (status int, body string) {
	answer, err := http.Get("http://" + w.env["LEEWARD_HEALTH_ADDR"] + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

// untilReady waits until a recorder is ready.
func (w *world) untilReady() {
	w.Helper()
	w.until(func() error {
		if status, body := w.ready(); status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s, want 200", status, body)
		}
		return nil
	})
}

// untilDone waits until a partition's last block ends where its stream ends and is marked as inserted.
func (w *world) untilDone(stream string) {
	w.Helper()
	b := w.bus.Connect(schemas.Recorder, "")
	w.until(func() error {
		for _, p := range schemas.Partitions() {
			if p.Stream != stream {
				continue
			}
			last, err := b.Last(w.Context(), stream, append(p.Subjects, ">")[0])
			if errors.Is(err, bus.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			e, err := bus.Get(w.Context(), b, schemas.IntentBucket, p.Name)
			if err != nil {
				return err
			}
			if e.Value.State != "after" || e.Value.Last != last.Sequence {
				return fmt.Errorf("intent of %s: %s up to %d, want after up to %d", p.Name, e.Value.State, e.Value.Last, last.Sequence)
			}
		}
		return nil
	})
}

// batch makes batch number counter of a vantage: rows samples, every fourth a time-out.
func batch(vantage string, counter uint64, rows int, now time.Time) *schemas.SampleBatch {
	b := &schemas.SampleBatch{Vantage: vantage, VantageRegion: vantage, Boot: 1_790_000_000_000_000, Counter: counter, Topology: "t1"}
	for i := range rows {
		s := schemas.Sample{
			App: "shop", Region: []string{"frankfurt", "london", "tokyo"}[i%3], Variant: []string{"single", "slim"}[i%2],
			Kind: schemas.KindHTTP, Outcome: schemas.OK, DueUS: now.Add(time.Duration(i) * time.Millisecond).UnixMicro(),
			LatencyUS: uint32(1000*counter) + uint32(i), LateUS: 1, DNSUS: 2, ConnectUS: 3, TLSUS: 4, WriteUS: 5, FirstByteUS: 6, TransferUS: 7, Status: 200,
		}
		if i%4 == 3 {
			s.Outcome, s.Status, s.FirstByteUS, s.TransferUS = schemas.TimedOut, 0, 0, 0
		}
		b.Append(s)
	}
	return b
}

// publish stores a batch as its vantage's prober does.
func publish(ctx context.Context, b *bus.Bus, batch *schemas.SampleBatch) error {
	data, err := batch.Encode()
	if err != nil {
		return err
	}
	return b.PublishRaw(ctx, schemas.SampleSubject(batch.Vantage), batch.MessageID(), data)
}

// line is the one row of a query as JSON.
func (w *world) line(query string) string {
	w.Helper()
	var out strings.Builder
	if err := w.db.QueryFormat(w.Context(), &out, "JSONCompactEachRow", query); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(out.String())); err != nil {
		w.Fatalf("%s: %v: %s", query, err, out.String())
	}
	return strings.TrimSpace(compact.String())
}
