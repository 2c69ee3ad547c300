package benchmark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/filelock"
	"github.com/leeward-failover/leeward/schemas"
)

// whole bounds one benchmark from beginning to end, whatever hangs.
const whole = 10 * time.Minute

// Loop benchmarks every image that a region holds: soon after it came there, and then once in each interval, one at a time.
type Loop struct {
	Bus      *bus.Bus
	Topology *bus.Mirror[schemas.TopologyPart]
	Images   *bus.Mirror[schemas.ImageState]
	States   *bus.Mirror[schemas.BenchmarkState]
	Bench    Bench
	Way      *Way
	Every    time.Duration
	// Pause is how long the machine and the registries have to themselves after each benchmark.
	Pause   time.Duration
	Log     zerolog.Logger
	Metrics *Metrics

	// states are what the bucket holds, by key; only this loop writes it.
	states map[string]schemas.BenchmarkState
}

// Metrics measure benchmarks.
type Metrics struct {
	runs   *prometheus.CounterVec
	phases *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r *prometheus.Registry) *Metrics {
	m := &Metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "leeward_builder_image_benchmarks_total", Help: "Benchmarks of images, by outcome: healthy or failed."}, []string{"region", "outcome"}),
		phases: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "leeward_builder_image_benchmark_seconds",
			Help: "The phases of an image's newest cold benchmark, pull, unpack, start and healthy; 0 after one that failed."}, []string{"app", "variant", "region", "phase"}),
	}
	r.MustRegister(m.runs, m.phases)
	return m
}

func (m *Metrics) measured(app string, b schemas.ImageBenchmark) {
	outcome := "healthy"
	if b.Error != "" {
		outcome = "failed"
	}
	m.runs.WithLabelValues(b.Region, outcome).Inc()
	if !b.Cold {
		return
	}
	for phase, us := range map[string]uint64{"pull": b.PullUS, "unpack": b.UnpackUS, "start": b.StartUS, "healthy": b.HealthyUS} {
		m.phases.WithLabelValues(app, b.Variant, b.Region, phase).Set(float64(us) / 1e6)
	}
}

// Run benchmarks until ctx ends. That images can not be benchmarked here is logged, and keeps nothing else of the builder's from running.
func (l *Loop) Run(ctx context.Context) error {
	unlock, err := l.begin(ctx)
	if err != nil {
		l.Log.Warn().Err(err).Str("folder", l.Bench.Folder).Msg("images not benchmarked")
		<-ctx.Done()
		return ctx.Err()
	}
	defer unlock()
	if err := l.read(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		topology, images := l.Topology.Changed(), l.Images.Changed()
		next, due, ok := Next(l.targets(), l.states, l.Every)
		if ok && !due.After(time.Now()) {
			l.measure(ctx, next)
			sleep(ctx, l.Pause)
			continue
		}
		var timer <-chan time.Time
		if ok {
			timer = time.After(time.Until(due))
		}
		select {
		case <-ctx.Done():
		case <-timer:
		case <-topology:
		case <-images:
		}
	}
	return ctx.Err()
}

// begin takes the folder for this process and removes what one that was killed left there.
func (l *Loop) begin(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(l.Bench.Folder, 0o700); err != nil {
		return nil, err
	}
	if unlock, err = filelock.Try(filepath.Join(l.Bench.Folder, "lock")); err != nil {
		return nil, err
	}
	if err := l.Bench.Sweep(ctx); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// read takes over what the bucket holds.
func (l *Loop) read(ctx context.Context) error {
	if err := l.States.Wait(ctx); err != nil {
		return err
	}
	l.states = map[string]schemas.BenchmarkState{}
	for key, entry := range l.States.All() {
		l.states[key] = entry.Value
	}
	return nil
}

// targets is empty as long as the topology or the images are not known.
func (l *Loop) targets() []Target {
	t, err := bus.CurrentTopology(l.Topology)
	if err != nil || !l.Images.Synced() {
		return nil
	}
	var images []schemas.ImageState
	for _, entry := range l.Images.All() {
		images = append(images, entry.Value)
	}
	return Targets(t, images)
}

// measure benchmarks one image when no build runs, and publishes what came out. One that was cut short, by a build, by an image that took its place, or by ctx, is not published.
func (l *Loop) measure(ctx context.Context, target Target) {
	one, stop, err := l.Way.Benchmark(ctx)
	if err != nil {
		return
	}
	defer stop(nil)
	one, cancel := context.WithTimeout(one, whole)
	defer cancel()
	var watch sync.WaitGroup
	watch.Go(func() { l.watch(one, target, stop) })
	log := l.Log.With().Str("app", target.App).Str("variant", target.Variant).Str("region", target.Region).Str("digest", target.Digest).Logger()
	rows, err := l.Bench.Measure(one, target)
	cause := context.Cause(one)
	stop(nil)
	watch.Wait()
	if errors.Is(cause, ErrBuild) || errors.Is(cause, errReplaced) || ctx.Err() != nil {
		return
	}
	if err != nil {
		log.Warn().Err(err).Msg("benchmark not cleaned up")
	}
	l.note(log, target.App, rows)
	if err := l.publish(ctx, target, rows); err != nil {
		log.Warn().Err(err).Msg("benchmark lost")
	}
}

// note logs and counts what came out.
func (l *Loop) note(log zerolog.Logger, app string, rows []schemas.ImageBenchmark) {
	for _, row := range rows {
		l.Metrics.measured(app, row)
		event := log.Info()
		if row.Error != "" {
			event = log.Warn().Str("error", row.Error)
		}
		event.Bool("cold", row.Cold).Uint64("pull_us", row.PullUS).Uint64("unpack_us", row.UnpackUS).Uint64("start_us", row.StartUS).Uint64("healthy_us", row.HealthyUS).Msg("image benchmarked")
	}
}

// errReplaced says that a region is to run another image than the one that is benchmarked.
var errReplaced = errors.New("another image has taken its place")

// watch ends a benchmark of an image that no longer is a target; it returns when ctx ends.
func (l *Loop) watch(ctx context.Context, target Target, stop context.CancelCauseFunc) {
	for ctx.Err() == nil {
		topology, images := l.Topology.Changed(), l.Images.Changed()
		if !slices.Contains(l.targets(), target) {
			stop(errReplaced)
		}
		select {
		case <-ctx.Done():
		case <-topology:
		case <-images:
		}
	}
}

// publish stores the rows for analysts and the state for services. The state comes first in memory, so that a bus that is away is not asked again at once.
func (l *Loop) publish(ctx context.Context, target Target, rows []schemas.ImageBenchmark) error {
	state := l.states[target.Key()]
	for _, row := range rows {
		state = state.Add(target.App, row)
	}
	state.Machine, _ = os.Hostname()
	l.states[target.Key()] = state
	subject, data, err := schemas.ImageBenchmarks{App: target.App, Rows: rows}.Encode()
	if err != nil {
		return err
	}
	id := fmt.Sprintf("benchmark:%s:%d", target.Key(), state.At.UnixMicro())
	if err := l.Bus.PublishRaw(ctx, subject, id, data); err != nil {
		return err
	}
	_, err = bus.Put(ctx, l.Bus, schemas.BenchmarkBucket, state, bus.Condition{})
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
