// Package demo does Leeward's main job once, unattended, in the demo world: a new base image is pushed, and what follows is watched through the API
// until three failovers have moved a client's requests to another region.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// Options say where everything is.
type Options struct {
	API, Entry string
	// Topology is the file that leeward up applied.
	Topology string
	// Leeward is the state folder of leeward up, and Bus the address of its NATS.
	Leeward, Bus string
	// World is the command that cuts and heals regions and lists round trips.
	World []string
	// Simulated says that the API must say that its regions are simulated.
	Simulated bool
	// Deploy is the folder deploy/ of the checkout; empty when nothing is scraped.
	Deploy   string
	Chaos    bool
	Progress io.Writer
}

// demo is one run.
type demo struct {
	Options
	client   client
	yaml     []byte
	topology schemas.Topology
	app      schemas.App
	// hash is the topology that is applied now.
	hash   string
	load   *load
	chaos  *chaos
	report Report
	began  time.Time
	// built are the newest builds of the variants.
	built map[string]schemas.BuildFinished
}

// appName is the app of the demo world.
const appName = "shop"

// Run runs the demo; the report says how far it came.
func Run(ctx context.Context, o Options) (Report, error) {
	d := &demo{Options: o, load: &load{url: o.Entry + "/healthz", every: 10 * time.Millisecond}, began: time.Now()}
	d.chaos = &chaos{demo: d}
	d.report.UID = os.Getuid()
	err := d.run(ctx)
	d.report.OK = err == nil
	d.report.goals(d.app.Probe.Interval.D())
	return d.report, err
}

// Scraped does only the demo's look at the metrics, in a world in which it has run before.
func Scraped(ctx context.Context, o Options) error {
	now := time.Now()
	return (&demo{Options: o, began: now}).scrapedSince(ctx, now.Add(-10*time.Minute))
}

func (d *demo) run(ctx context.Context) error {
	if err := d.open(); err != nil {
		return err
	}
	for _, step := range d.steps() {
		began := time.Now()
		d.say("%s …", step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		d.say("  done after %.1f s", time.Since(began).Seconds())
	}
	return d.chaos.check(ctx)
}

// step is a part of the run.
type step struct {
	name string
	do   func(context.Context) error
}

// steps are the script. An app that Leeward does not build starts where the images would be there.
func (d *demo) steps() []step {
	steps := []step{{"leeward answers", d.answers}}
	if d.app.Built() {
		steps = append(steps,
			step{"a new base image is pushed, built and replicated", d.push},
			step{"containers run the new images", d.restarted})
	}
	steps = append(steps,
		step{"candidates are ranked", d.ranked},
		step{"traffic is where the app starts", d.home})
	if d.app.PrimaryDatabase != "" {
		steps = append(steps, step{"a replica falls behind and catches up", d.lag})
	}
	steps = append(steps,
		step{"primary lost, found by alert", func(ctx context.Context) error { return d.failover(ctx, viaWebhook) }},
		step{"moved back by request", d.failback},
		step{"primary lost, found by verdicts", func(ctx context.Context) error { return d.failover(ctx, viaVerdicts) }},
		step{"moved back by request", d.failback})
	if d.Deploy != "" {
		steps = append(steps,
			step{"primary lost, found by Prometheus", func(ctx context.Context) error { return d.failover(ctx, viaPrometheus) }},
			step{"moved back by request", d.failback},
			step{"the alert is over", d.resolved},
			step{"rules, dashboards and reference name what is scraped", d.scraped})
	}
	if d.app.Built() {
		steps = append(steps, step{"variants are measured", d.images})
	}
	return append(steps, step{"every acknowledged sample and event is in ClickHouse", d.complete})
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.Progress, "%6.1f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// open reads what the run needs to know.
func (d *demo) open() (err error) {
	if d.yaml, err = os.ReadFile(d.Topology); err != nil {
		return err
	}
	if d.topology, err = config.Parse(d.Topology, d.yaml); err != nil {
		return err
	}
	app, ok := d.topology.App(appName)
	if !ok {
		return errors.New("the topology has no app named " + appName)
	}
	d.app = app
	d.report.Variants, d.report.Regions = len(app.Variants), len(app.Regions())
	d.client, err = newClient(d.Options)
	return err
}

// answers waits for the API and applies the topology, which an earlier run may have left changed.
func (d *demo) answers(ctx context.Context) error {
	err := until(ctx, 30*time.Second, "the API", func(ctx context.Context) error { return d.apply(ctx, true) })
	if err != nil {
		return err
	}
	if d.report.Simulated, err = d.client.simulated(ctx); err == nil && d.report.Simulated != d.Simulated {
		err = fmt.Errorf("the API says simulated: %t, want %t", d.report.Simulated, d.Simulated)
	}
	return err
}

// apply applies the topology with the vantages' verdicts allowed, or not, to start a failover.
func (d *demo) apply(ctx context.Context, verdicts bool) error {
	text := bytes.Replace(d.yaml, []byte("verdicts: true"), fmt.Appendf(nil, "verdicts: %t", verdicts), 1)
	var applied struct {
		Hash string `json:"hash"`
	}
	err := d.client.do(ctx, "PUT", "/v1/topology", map[string]string{"Content-Type": "application/yaml", "If-Match": "*"}, text, &applied)
	d.hash = applied.Hash
	return err
}

// push pushes a base image that was never seen before and waits until every variant is built and verified in every region, the digests equal.
func (d *demo) push(ctx context.Context) error {
	after, err := d.lastEvent(ctx)
	if err != nil {
		return err
	}
	pushed := time.Now()
	if _, err := d.world(ctx, "push-base", "--salt", pushed.Format(time.RFC3339Nano), "base/node"); err != nil {
		return err
	}
	w := newWatch(d.app)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	killed := false
	err = d.client.follow(ctx, after, func(e event) bool {
		if !killed && e.Type == schemas.ImagePushedTopic.Contract().Name {
			killed = true
			d.chaos.kill("builder", "gateway")
		}
		return w.see(e)
	})
	d.report.BuildSeconds, d.report.ReplicateSeconds = seconds(w.built.Sub(pushed)), seconds(max(0, w.replicated.Sub(w.built)))
	d.built = w.builds
	return errors.Join(err, w.failure)
}

// watch follows builds and replications to their end. A builder that was killed announces in any order, so nothing here depends on one.
type watch struct {
	app schemas.App
	// builds are the newest, by variant; a variant may be built more than once, and the last build counts.
	builds map[string]schemas.BuildFinished
	// regions are those that hold a digest.
	regions map[string]map[string]bool

	built, replicated time.Time
	failure           error
}

func newWatch(app schemas.App) *watch {
	return &watch{app: app, builds: map[string]schemas.BuildFinished{}, regions: map[string]map[string]bool{}}
}

// see takes one event and says whether the newest build of every variant is everywhere.
func (w *watch) see(e event) (enough bool) {
	switch e.Type {
	case schemas.BuildFinishedTopic.Contract().Name:
		var b schemas.BuildFinished
		if json.Unmarshal(e.Payload, &b) != nil || b.App != w.app.Name {
			return false
		}
		if b.Outcome != "succeeded" {
			w.failure = fmt.Errorf("build of %s: %s", b.Variant, b.Error)
			return true
		}
		w.builds[b.Variant], w.built = b, later(w.built, b.At)
	case schemas.ImageReplicatedTopic.Contract().Name:
		var r schemas.ImageReplicated
		if json.Unmarshal(e.Payload, &r) != nil || r.App != w.app.Name || r.Outcome != "verified" {
			return false
		}
		if w.regions[r.Digest] == nil {
			w.regions[r.Digest] = map[string]bool{}
		}
		w.regions[r.Digest][r.Region], w.replicated = true, later(w.replicated, r.At)
	}
	for _, v := range w.app.Variants {
		if len(w.regions[w.builds[v.Name].Digest]) < len(w.app.Regions()) {
			return false
		}
	}
	return true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// restarted waits until every endpoint is served by the digest that its region should run.
func (d *demo) restarted(ctx context.Context) error {
	return until(ctx, time.Minute, "new containers", func(ctx context.Context) error {
		var images []schemas.ImageState
		if err := d.client.get(ctx, "/v1/apps/"+appName+"/images", &images); err != nil {
			return err
		}
		if want := len(d.app.Endpoints); len(images) != want {
			return fmt.Errorf("%d images, want %d", len(images), want)
		}
		digests := map[string]string{}
		for _, image := range images {
			if known := digests[image.Variant]; !image.Verified() || (known != "" && known != image.Digest) {
				return fmt.Errorf("%s in %s is %s with %s", image.Variant, image.Region, image.Parity, image.Digest)
			}
			digests[image.Variant] = image.Digest
		}
		for _, e := range d.app.Endpoints {
			if err := serves(ctx, e, digests[e.Variant]); err != nil {
				return err
			}
		}
		return nil
	})
}

// ranked waits until every running candidate is ranked with an interval, and keeps the order for where traffic is.
func (d *demo) ranked(ctx context.Context) error {
	d.chaos.kill("clickhouse", "recorder", "ranker", "prober-london", "nats")
	asked := time.Now()
	// While new containers started, requests were refused; until that has left the window, costs are only bounds.
	patience := asked.Add(d.app.Objective.Window.D() + 30*time.Second)
	return until(ctx, 4*time.Minute, "a ranking with enough samples", func(ctx context.Context) error {
		route, err := d.route(ctx)
		if err != nil {
			return err
		}
		var r schemas.Ranking
		if err := d.client.get(ctx, "/v1/apps/"+appName+"/ranking?active="+route.Active.Region, &r); err != nil {
			return err
		}
		if r.At.Before(asked) {
			return errors.New("the ranking is from before")
		}
		d.report.Ranking = nil
		eligible := 0
		for _, k := range r.Orders[0].Candidates {
			if !k.Enough || k.LowMS <= 0 || k.HighMS < k.LowMS || len(k.Gates) == 0 {
				return fmt.Errorf("%s has %d samples, interval %.1f to %.1f and %d gates", k.Candidate, k.Samples, k.LowMS, k.HighMS, len(k.Gates))
			}
			if k.Censored && time.Now().Before(patience) {
				return fmt.Errorf("the cost of %s is only a bound, at least %.1f ms", k.Candidate, k.CostMS)
			}
			if k.Eligible && k.Region != route.Active.Region {
				eligible++
			}
			d.report.Ranking = append(d.report.Ranking, Ranked{k.Region, k.Variant, k.CostMS, k.LowMS, k.HighMS, k.Eligible, k.Gates})
		}
		if eligible == 0 {
			return errors.New("no candidate outside the active region is eligible")
		}
		return nil
	})
}

// lastEvent returns the sequence after which nothing has happened yet that this run is waiting for.
func (d *demo) lastEvent(ctx context.Context) (uint64, error) {
	var last uint64
	b, err := d.recorderBus()
	if err != nil {
		return 0, err
	}
	defer b.Close()
	state, err := b.State(ctx, schemas.Events)
	if err == nil {
		last = state.Last
	}
	return last, err
}

func (d *demo) route(ctx context.Context) (schemas.Route, error) {
	var r schemas.Route
	return r, d.client.get(ctx, "/v1/apps/"+appName+"/route", &r)
}

// world runs a command of the tool that holds the regions, and returns what it prints.
func (d *demo) world(ctx context.Context, args ...string) (string, error) {
	argv := append(slices.Clone(d.World), args...)
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, problem.String())
	}
	return out.String(), nil
}

// rtt is the round trip the world emulates between the entry and a region, in milliseconds.
func (d *demo) rtt(ctx context.Context, region string) (float64, error) {
	answer, err := d.world(ctx, "rtt")
	if err != nil {
		return 0, err
	}
	var links []struct {
		From  string  `json:"from"`
		To    string  `json:"to"`
		RTTms float64 `json:"rtt_ms"`
	}
	if err := json.Unmarshal([]byte(answer), &links); err != nil {
		return 0, err
	}
	for _, l := range links {
		if (l.From == "madrid" && l.To == region) || (l.To == "madrid" && l.From == region) {
			return l.RTTms, nil
		}
	}
	return 0, fmt.Errorf("no link from the entry to %s", region)
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
