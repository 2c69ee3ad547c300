package detect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/pkg/processtest"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/detect"
)

// TestASlowerRegionIsOneEventAndOneAlertUntilItIsOver puts samples into the table that the recorder writes, follows a rise in one region to the bus and to a real Alertmanager, past a restart and past an
// Alertmanager that is away, until it is over.
func TestASlowerRegionIsOneEventAndOneAlertUntilItIsOver(t *testing.T) {
	db := chembedtest.Migrated(t, chembedtest.Start(t))
	server := bustest.Start(t, "london", "madrid", "tokyo")
	manager := startAlertmanager(t)
	w := newWorld(t, db)
	w.pass(124, 1)
	w.pass(5, 1.5)

	first := w.start(server, manager.url)
	first.look(t)
	if told := events(t, server); len(told) != 0 {
		t.Errorf("told in the first minute: %+v", told)
	}
	w.pass(1, 1.5)
	first.look(t)
	told := events(t, server)
	if len(told) != 1 {
		t.Fatalf("%d events, want one: %+v", len(told), told)
	}
	began := told[0]
	if began.State != schemas.AnomalyBegan || began.Scope != (schemas.AnomalyScope{Region: "tokyo"}) || began.Moved != 6 || began.Of != 6 || began.Apps[0] != "shop" {
		t.Errorf("began: %+v", began)
	}
	if since := w.now.Add(-6 * time.Minute); !began.Since.Equal(since) {
		t.Errorf("since %s, want %s", began.Since, since)
	}
	for _, c := range began.Cells {
		if f := c.After.P50MS / c.Before.P50MS; f < 1.4 || f > 1.6 {
			t.Errorf("%s from %s rose by a factor of %.2f, want 1.5", c.Region, c.Vantage, f)
		}
	}
	manager.await(t, map[string]string{"alertname": "LeewardAnomaly", "severity": "warn", "anomaly": began.ID, "region": "tokyo", "app": "shop"})

	// One that starts again, and an Alertmanager that forgot everything: nothing is told twice on the bus, and the alert is there again.
	first.stop()
	manager.restart(t)
	second := w.start(server, manager.url)
	w.pass(1, 1.5)
	second.look(t)
	manager.await(t, map[string]string{"alertname": "LeewardAnomaly", "severity": "warn", "anomaly": began.ID, "region": "tokyo", "app": "shop"})
	for range 6 {
		w.pass(1, 1)
		second.look(t)
	}
	told = events(t, server)
	if len(told) != 2 || told[1].State != schemas.AnomalyEnded || told[1].ID != began.ID || told[1].Reason != "6 of 6 cells are as before" {
		t.Fatalf("told: %+v", told)
	}
	manager.await(t, nil)
	kept, err := bus.Get(t.Context(), server.Connect(schemas.Gateway, ""), schemas.AnomalyBucket, began.ID)
	if err != nil || kept.Value.Open() || !kept.Value.Announced {
		t.Errorf("the bucket holds %+v: %v", kept.Value, err)
	}

	// A day later it is forgotten.
	w.now = w.now.Add(25 * time.Hour)
	second.look(t)
	if _, err := bus.Get(t.Context(), server.Connect(schemas.Gateway, ""), schemas.AnomalyBucket, began.ID); err == nil {
		t.Error("the bucket still holds an anomaly that ended a day ago")
	}
	second.stop()
}

// TestWhatTheBusDidNotTakeIsToldAfterARestart has a ranker die between the bucket and the event.
func TestWhatTheBusDidNotTakeIsToldAfterARestart(t *testing.T) {
	db := chembedtest.Migrated(t, chembedtest.Start(t))
	server := bustest.Start(t, "madrid")
	e := schemas.AnomalyDetected{ID: "a1", State: schemas.AnomalyBegan, Apps: []string{"shop"}, Scope: schemas.AnomalyScope{Region: "tokyo"}, Moved: 1, Of: 1, Since: time.Now(), DetectedAt: time.Now(), At: time.Now(),
		Cells: []schemas.AnomalyCell{{App: "shop", Region: "tokyo", Vantage: "madrid", Kind: "http", Measures: []schemas.AnomalyMeasure{schemas.AnomalyLatency}, Before: schemas.AnomalyLevel{P50MS: 63}, After: schemas.AnomalyLevel{P50MS: 120}}}}
	if _, err := bus.Put(t.Context(), server.Connect(schemas.Ranker, ""), schemas.AnomalyBucket, schemas.Anomaly{Last: e}, bus.Condition{}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, db)
	w.pass(60, 1)
	service := w.start(server, "")
	service.look(t)
	service.stop()
	// Tokyo is not slow: the anomaly that nobody had been told of is told, and then that it is over.
	var states []schemas.AnomalyState
	for _, e := range events(t, server) {
		states = append(states, e.State)
	}
	if diff := cmp.Diff([]schemas.AnomalyState{schemas.AnomalyBegan, schemas.AnomalyEnded}, states); diff != "" {
		t.Errorf("told: %s", diff)
	}
}

// world is samples of an app in three regions from three vantages.
type world struct {
	t      *testing.T
	db     *clickhouse.DB
	random *rand.Rand
	// now is the end of the newest minute.
	now     time.Time
	inserts int
}

// newWorld begins three hours ago, so that all of it is past: Alertmanager goes by the clock on the wall.
func newWorld(t *testing.T, db *clickhouse.DB) *world {
	return &world{t: t, db: db, random: rand.New(rand.NewPCG(1, 1)), now: time.Now().Add(-3 * time.Hour).Truncate(time.Minute).UTC()}
}

// pass inserts minutes in which tokyo is slower by a factor.
func (w *world) pass(minutes int, factor float64) {
	w.t.Helper()
	var due []time.Time
	var app, kind, vantage, region, outcome []string
	var latency []uint32
	for range minutes {
		for _, v := range []string{"london", "madrid", "tokyo"} {
			for i, r := range []string{"frankfurt", "london", "tokyo"} {
				for _, k := range []string{"http", "tcp"} {
					for second := range 12 {
						us := 20_000 * float64(i+1) * (1 + 0.1*w.random.Float64())
						if r == "tokyo" {
							us *= factor
						}
						due, latency = append(due, w.now.Add(time.Duration(second)*5*time.Second)), append(latency, uint32(us))
						app, kind, vantage, region, outcome = append(app, "shop"), append(kind, k), append(vantage, v), append(region, r), append(outcome, "ok")
					}
				}
			}
		}
		w.now = w.now.Add(time.Minute)
	}
	w.inserts++
	if err := w.db.Insert(w.t.Context(), clickhouse.Block{Table: "samples", Token: fmt.Sprint("minutes-", w.inserts), Columns: []clickhouse.Column{
		{Name: "due", Values: due}, {Name: "app", Values: app}, {Name: "kind", Values: kind}, {Name: "vantage", Values: vantage}, {Name: "region", Values: region},
		{Name: "outcome", Values: outcome}, {Name: "latency_us", Values: latency},
	}}); err != nil {
		w.t.Fatal(err)
	}
}

// service is a loop that looks when it is told to.
type service struct {
	world  *world
	times  chan time.Time
	looked chan error
	stop   func()
}

func (w *world) start(server *bustest.Server, alertmanager string) *service {
	w.t.Helper()
	s := &service{world: w, times: make(chan time.Time), looked: make(chan error)}
	ctx, cancel := context.WithCancel(w.t.Context())
	proc := daemon.NewProcess("ranker", nil, func(string) string { return "" }, os.Stderr, w.t.Output())
	loop := detect.New(server.Connect(schemas.Ranker, ""), w.db, proc, alertmanager, "")
	done := sync.WaitGroup{}
	done.Go(func() { _ = loop.RunAt(ctx, s.times, s.looked) })
	s.stop = func() { cancel(); done.Wait() }
	w.t.Cleanup(s.stop)
	return s
}

func (s *service) look(t *testing.T) {
	t.Helper()
	s.times <- s.world.now.Add(12 * time.Second)
	if err := <-s.looked; err != nil {
		t.Fatal(err)
	}
}

func events(t *testing.T, server *bustest.Server) (told []schemas.AnomalyDetected) {
	t.Helper()
	b := server.Connect(schemas.Recorder, "")
	state, err := b.State(t.Context(), schemas.Events)
	if err != nil {
		t.Fatal(err)
	}
	done := fmt.Errorf("done")
	if state.Messages == 0 {
		return nil
	}
	if err := b.Tail(t.Context(), schemas.Events, 1, nil, func(m bus.Message) error {
		e, err := schemas.AnomalyDetectedTopic.Decode(m.Subject, m.Data)
		if err != nil {
			return err
		}
		if told = append(told, e); m.Sequence == state.Last {
			return done
		}
		return nil
	}); err != done {
		t.Fatal(err)
	}
	return told
}

// manager is Debian's Alertmanager.
type manager struct {
	url     string
	program string
	port    int
	process *processtest.Process
}

func startAlertmanager(t *testing.T) *manager {
	t.Helper()
	m := &manager{program: processtest.Program(t, "prometheus-alertmanager"), port: processtest.Port(t)}
	m.url = fmt.Sprint("http://127.0.0.1:", m.port)
	m.run(t)
	return m
}

func (m *manager) run(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "alertmanager.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: people}\nreceivers: [{name: people}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.process = processtest.Start(t, exec.Command(m.program, "--config.file="+file, "--storage.path="+folder, fmt.Sprint("--web.listen-address=127.0.0.1:", m.port), "--cluster.listen-address="), syscall.SIGTERM)
	m.process.Await(func() error {
		_, err := m.labels()
		return err
	})
}

// restart loses every alert.
func (m *manager) restart(t *testing.T) {
	t.Helper()
	m.process.End(syscall.SIGKILL)
	m.run(t)
}

// labels are those of the active alerts.
func (m *manager) labels() (all []map[string]string, err error) {
	resp, err := http.Get(m.url + "/api/v2/alerts?filter=" + url.QueryEscape(`alertname="LeewardAnomaly"`))
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("Alertmanager answers %s", resp.Status)
	}
	var alerts []struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
		return nil, err
	}
	for _, a := range alerts {
		if !strings.HasPrefix(a.Annotations["summary"], "region tokyo from 3 of 3 vantages") {
			return nil, fmt.Errorf("summary %q", a.Annotations["summary"])
		}
		all = append(all, a.Labels)
	}
	return all, nil
}

// await waits until the one active alert has these labels, or until there is none.
func (m *manager) await(t *testing.T, want map[string]string) {
	t.Helper()
	m.process.Await(func() error {
		got, err := m.labels()
		if err != nil {
			return err
		}
		wanted := []map[string]string{want}
		if want == nil {
			wanted = nil
		}
		if diff := cmp.Diff(wanted, slices.Clip(got)); diff != "" {
			return fmt.Errorf("alerts (-want +got): %s", diff)
		}
		return nil
	})
}
