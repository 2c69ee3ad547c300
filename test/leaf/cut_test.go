package leaf_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/chembedtest"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder"
)

var cutFor = flag.Duration("cut", 10*time.Second, "how long the leaf's way to the hub is cut")

const (
	// fresh is how old the newest sample that can be queried may be, and how soon after the heal it must be so again, when the machine has nothing else to do.
	fresh = 5 * time.Second
	// rows are those of a batch, ten of which come each second from each vantage.
	rows = 20
)

// limit is fresh in the long run, which make test-long runs alone, and six times that beside the other tests.
func limit() time.Duration {
	if *cutFor >= time.Minute {
		return fresh
	}
	return 6 * fresh
}

// TestACutLeafLosesNothingAndIsFreshAgainAtOnce cuts the leaf's way to the hub while samples go on, and kills a server of the hub meanwhile.
func TestACutLeafLosesNothingAndIsFreshAgainAtOnce(t *testing.T) {
	w := newWorld(t)
	w.create()
	r := w.record()
	r.until("everything is fresh", func() error { return r.stale(time.Second, "tokyo", "frankfurt", events) })
	r.forget()
	for _, l := range w.links {
		l.reset()
	}
	r.watch(8*time.Second, func() {})
	if reset := r.worst("tokyo", "frankfurt", events); reset > limit() {
		t.Errorf("something was up to %s old after the leaf's connection was reset, want %s at most", reset, limit())
	} else {
		t.Logf("at most %s old after the leaf's connection was reset", reset.Round(time.Millisecond))
	}
	before := w.passed()

	w.cut()
	began := time.Now()
	t.Logf("cut for %s", *cutFor)
	r.watch(2*time.Second, func() { w.hub[0].kill() })
	t.Log("a server of the hub killed")
	r.watch(3*time.Second, w.hub[0].start)
	t.Log("it is started again")
	// Who led on the dead server is elected anew within ten seconds; that has nothing to do with the leaf.
	r.until("the hub is fresh after a server's death", func() error { return r.stale(time.Second, "frankfurt", events) })
	elected := time.Since(began) - 2*time.Second
	r.forget()
	r.watch(max(*cutFor-time.Since(began), 3*time.Second), func() {})
	hub, tokyo := r.worst("frankfurt", events), r.age("tokyo")
	cut := time.Since(began)
	if tokyo < cut-2*time.Second {
		t.Fatalf("the newest sample of tokyo is %s old after a cut of %s: nothing was cut", tokyo, cut)
	}
	if hub > limit() {
		t.Errorf("samples and events of the hub were up to %s old while the leaf was cut, want %s at most", hub, limit())
	}
	if passed := w.passed() - before; passed > 1<<20 {
		t.Errorf("%d bytes passed a link that was cut", passed)
	}

	w.heal()
	healed := time.Now()
	r.until("tokyo is fresh after the heal", func() error { return r.stale(fresh, "tokyo") })
	took := time.Since(healed)
	if took > limit() {
		t.Errorf("the newest sample of tokyo was older than %s for %s after the heal, want %s at most", fresh, took, limit())
	}
	r.forget()
	r.watch(10*time.Second, func() {})
	after := r.worst("tokyo", "frankfurt", events)
	if after > limit() {
		t.Errorf("after the heal something was up to %s old, want %s at most", after, limit())
	}
	r.stop()
	lost, doubled := r.tally()
	t.Logf("cut %s: fresh again %s after the heal, then at most %s old; the hub at most %s old meanwhile, and again fresh %s after a server was killed; %d samples acknowledged, %d lost, %d doubled",
		cut.Round(time.Millisecond), took.Round(time.Millisecond), after.Round(time.Millisecond), hub.Round(time.Millisecond), elected.Round(time.Millisecond), r.total(), lost, doubled)
	w.samplesStayed(t.Context(), w.connect(bus.Options{URL: w.hubURL(), Service: schemas.Recorder}))
}

func (w *world) passed() (sum int64) {
	for _, l := range w.links {
		sum += l.bytes()
	}
	return sum
}

// events stands for the hub's events among the vantages.
const events = "events"

// recording is a recorder that reads the hub and the leaf into ClickHouse, with who publishes and who looks how old the newest is.
type recording struct {
	*world
	db   *clickhouse.DB
	stop func()

	mu           sync.Mutex
	acknowledged map[string]uint64
	ages, oldest map[string]time.Duration
}

func (w *world) record() *recording {
	w.Helper()
	engine := chembedtest.StartEngine(w.T)
	db, err := clickhouse.Open(engine.DSN())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = db.Close() })
	w.run("recorder", recorder.Run, map[string]string{
		"LEEWARD_NATS_URL": w.hubURL(), "LEEWARD_NATS_SEED": w.seed(schemas.Recorder, ""), "LEEWARD_NATS_DOMAINS": "tokyo",
		"LEEWARD_CLICKHOUSE_DSN": engine.DSN(), "LEEWARD_HEALTH_ADDR": freeAddr(w.T),
	})
	r := &recording{world: w, db: db, acknowledged: map[string]uint64{}, ages: map[string]time.Duration{}, oldest: map[string]time.Duration{}}
	publishing, stop := context.WithCancel(w.Context())
	looking, blind := context.WithCancel(w.Context())
	var publishers, looker errgroup.Group
	publishers.Go(func() error { return r.publish(publishing, "frankfurt", bus.Options{URL: w.hubURL()}) })
	publishers.Go(func() error {
		return r.publish(publishing, "tokyo", bus.Options{URL: w.leafURL(), Hub: schemas.HubDomain})
	})
	publishers.Go(func() error { return r.publishEvents(publishing) })
	looker.Go(func() error { return r.look(looking) })
	r.stop = sync.OnceFunc(func() {
		stop()
		if err := publishers.Wait(); err != nil {
			w.Error(err)
		}
		blind()
		_ = looker.Wait()
	})
	w.Cleanup(r.stop)
	return r
}

// publish stores a batch every tenth of a second as a prober does, and counts what was acknowledged.
func (r *recording) publish(ctx context.Context, vantage string, o bus.Options) error {
	o.Service, o.Vantage = schemas.Prober, vantage
	b := r.connect(o)
	boot := uint64(time.Now().UnixMicro())
	return r.everyTenth(ctx, func(ctx context.Context, n uint64) error {
		if err := publish(ctx, b, batch(vantage, boot, n, rows)); err != nil {
			return err
		}
		r.count(vantage, rows)
		return nil
	})
}

func (r *recording) publishEvents(ctx context.Context) error {
	b := r.connect(bus.Options{URL: r.hubURL(), Service: schemas.Gateway})
	return r.everyTenth(ctx, func(ctx context.Context, n uint64) error {
		e := schemas.FailoverRequested{Request: fmt.Sprint(n), App: "shop", Actor: "ada", Reason: "test", At: time.Now()}
		if err := bus.Publish(ctx, b, schemas.FailoverRequestedTopic, e); err != nil {
			return err
		}
		r.count(events, 1)
		return nil
	})
}

// everyTenth does the nth thing to its end, as a spool does, even if that is later than it should be.
func (r *recording) everyTenth(ctx context.Context, do func(context.Context, uint64) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		err := do(one, n)
		cancel()
		if err != nil {
			return err
		}
	}
}

func (r *recording) count(what string, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acknowledged[what] += n
}

// look finds out every tenth of a second how old the newest is that can be queried.
func (r *recording) look(ctx context.Context) error {
	return r.everyTenth(ctx, func(ctx context.Context, _ uint64) error {
		var found []struct {
			What   string `ch:"what"`
			Newest int64  `ch:"newest"`
		}
		if err := r.db.Select(ctx, &found, `SELECT toString(vantage) AS what, toUnixTimestamp64Milli(max(due)) AS newest FROM samples GROUP BY vantage
			UNION ALL SELECT '`+events+`' AS what, toUnixTimestamp64Milli(max(stored)) AS newest FROM events HAVING count() > 0`); err != nil {
			return nil // the tables are not there yet
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, f := range found {
			age := time.Since(time.UnixMilli(f.Newest))
			r.ages[f.What], r.oldest[f.What] = age, max(age, r.oldest[f.What])
		}
		return nil
	})
}

func (r *recording) age(what string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ages[what]
}

// forget begins anew to look for the worst.
func (r *recording) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.oldest)
}

func (r *recording) worst(what ...string) (worst time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range what {
		worst = max(worst, r.oldest[name])
	}
	return worst
}

// stale says what is older than a limit.
func (r *recording) stale(limit time.Duration, what ...string) error {
	var old []string
	for _, name := range what {
		if age := r.age(name); age == 0 || age > limit {
			old = append(old, fmt.Sprintf("%s is %s old", name, age))
		}
	}
	if len(old) > 0 {
		return fmt.Errorf("%s, want %s at most", strings.Join(old, ", "), limit)
	}
	return nil
}

// watch lets time pass and then does something.
func (r *recording) watch(d time.Duration, then func()) {
	time.Sleep(d)
	then()
}

func (r *recording) total() (sum uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, n := range r.acknowledged {
		if what != events {
			sum += n
		}
	}
	return sum
}

// tally waits until all that was acknowledged is in ClickHouse, and for a while after that, and says how much of it is not there or is there twice.
func (r *recording) tally() (lost, doubled uint64) {
	r.Helper()
	number := func(query string) (n uint64) {
		if err := r.db.QueryRow(r.Context(), query).Scan(&n); err != nil {
			r.Fatalf("%s: %v", query, err)
		}
		return n
	}
	for what, acknowledged := range r.acknowledged {
		all, distinct := "SELECT count() FROM samples WHERE vantage = '"+what+"'", "SELECT uniqExact(vantage, boot, counter, batch_row) FROM samples WHERE vantage = '"+what+"'"
		if what == events {
			all, distinct = "SELECT count() FROM events", "SELECT uniqExact(id) FROM events"
		}
		for deadline := time.Now().Add(patience); number(distinct) < acknowledged && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		got, once := number(all), number(distinct)
		if got != acknowledged || once != acknowledged {
			r.Errorf("%s: %d acknowledged, %d in ClickHouse, %d of them distinct", what, acknowledged, got, once)
		}
		lost, doubled = lost+acknowledged-min(once, acknowledged), doubled+got-once
	}
	for _, rollup := range []string{"samples_1m", "samples_1h"} {
		if got := number("SELECT toUInt64(sum(samples)) FROM " + rollup); got != r.total() {
			r.Errorf("%s has %d samples, want %d", rollup, got, r.total())
		}
	}
	return lost, doubled
}
