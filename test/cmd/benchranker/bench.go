package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/test/process"
)

// report is the line of JSON.
type report struct {
	// GoalCPU is for 500 apps, processor seconds of a refresh in the ranker and ClickHouse together; GoalAppMS is for one app.
	GoalCPU   float64 `json:"goal_500_apps_cpu_s"`
	CPU500    float64 `json:"500_apps_cpu_s,omitempty"`
	GoalAppMS float64 `json:"goal_app_cpu_ms"`
	// AppMS is processor milliseconds of a refresh for each app where there are fewest.
	AppMS     float64 `json:"app_cpu_ms"`
	IntervalS float64 `json:"interval_s"`
	// Apps grows in apps, with all samples stored; Samples grows in samples stored, with equal apps.
	Apps    []figures `json:"apps"`
	Samples []figures `json:"samples,omitempty"`
	Seconds float64   `json:"seconds"`
	Machine string    `json:"machine"`
	Load    []float64 `json:"load"`
}

// figures are what was measured of one number of apps and samples. Those of a refresh are means over the refreshes measured.
type figures struct {
	Apps    int    `json:"apps"`
	Cells   int    `json:"cells"`
	Samples uint64 `json:"samples"`
	// CPU is processor seconds of a refresh: of the ranker, and of the engine while it answers the ranker.
	CPU       float64 `json:"cpu_s"`
	RankerCPU float64 `json:"ranker_cpu_s"`
	EngineCPU float64 `json:"clickhouse_cpu_s"`
	// BesideCPU is the same of the engine in another way, in which noise is larger: all that it took but InsertCPU.
	BesideCPU float64 `json:"clickhouse_beside_inserts_cpu_s"`
	// InsertCPU is what the samples that arrive between two refreshes take the engine, from InsertAlone: seconds for those of a second, before the ranker ran and after.
	InsertCPU   float64   `json:"insert_cpu_s"`
	InsertAlone []float64 `json:"insert_alone_cpu_s_per_s"`
	SamplesPerS float64   `json:"samples_per_s"`
	// Wall is how long the ranker computes or waits for the engine.
	Wall float64 `json:"wall_s"`
	// Measured is how many refreshes of all apps were seen, whole or in part; Failures of the refreshes of single apps.
	Measured float64 `json:"measured"`
	Failures float64 `json:"failures"`
	Trouble  string  `json:"trouble,omitempty"`
	// The first refresh reads the whole window. StartCPU is of the ranker alone.
	Start    float64 `json:"start_s"`
	StartCPU float64 `json:"start_cpu_s"`
	RSS      float64 `json:"rss_mb"`
	PeakRSS  float64 `json:"peak_rss_mb"`
	// Bytes of a refresh on the bus, and of one app's messages there.
	BucketBytes  float64 `json:"bucket_bytes"`
	StreamBytes  float64 `json:"evaluations_bytes"`
	RankingBytes int     `json:"ranking_message_bytes"`
	EvalBytes    int     `json:"evaluation_message_bytes"`
	// LimitCPU is what reading the new samples takes the engine, and MergeCPU what merging all of the window's minutes would.
	LimitCPU []float64 `json:"limit_cpu_s"`
	MergeCPU float64   `json:"merge_cpu_s"`
	Load     []float64 `json:"load"`
}

type bench struct {
	*load
	*meter
	options
	report report
}

func (b *bench) run(ctx context.Context) (err error) {
	begin := time.Now()
	stop, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := b.prepare(ctx, b.most()); err != nil {
		return err
	}
	for _, samples := range []uint64{b.samples / 100, b.samples / 10, b.samples} {
		if samples == 0 {
			continue
		}
		const inWindow = pastApps * perApp * uint64(window/beat)
		if err := b.history(ctx, samples-min(samples, inWindow)); err != nil {
			return err
		}
		f, err := b.stage(ctx, pastApps)
		if err != nil {
			return err
		}
		b.report.Samples = append(b.report.Samples, f)
	}
	for _, n := range b.apps {
		f, err := b.stage(ctx, n)
		if err != nil {
			return err
		}
		b.report.Apps = append(b.report.Apps, f)
	}
	b.summarize()
	b.report.Seconds = round3(time.Since(begin).Seconds())
	return nil
}

func (b *bench) summarize() {
	r := &b.report
	fewest := r.Apps[0]
	for _, f := range r.Apps {
		if f.Apps == 500 {
			r.CPU500 = f.CPU
		}
		if f.Apps < fewest.Apps {
			fewest = f
		}
	}
	r.AppMS = round3(fewest.CPU / float64(fewest.Apps) * 1000)
}

// stage measures one number of apps with what is stored beside their window.
func (b *bench) stage(ctx context.Context, apps int) (f figures, err error) {
	f = figures{Apps: apps, Cells: apps * perApp, Load: []float64{process.LoadAverage()}}
	if err := b.startBus(ctx, fleet(apps)); err != nil {
		return f, err
	}
	if err := b.refill(ctx, apps); err != nil {
		return f, fmt.Errorf("fill the window of %d apps: %w", apps, err)
	}
	if err := process.Settle(ctx, b.db, b.span); err != nil {
		return f, err
	}
	if f.Samples, err = process.StoredSamples(ctx, b.db); err != nil {
		return f, err
	}
	say("%d apps, %d samples stored", apps, f.Samples)
	g, each := errgroup.WithContext(ctx)
	inserting, stop := context.WithCancel(each)
	g.Go(func() error { return b.keep(inserting, apps) })
	g.Go(func() error {
		defer stop()
		return b.rounds(each, &f)
	})
	if err := g.Wait(); err != nil {
		return f, err
	}
	f.Load = append(f.Load, process.LoadAverage())
	say("%d apps: %.3f s of CPU a refresh (ranker %.3f, ClickHouse %.3f or %.3f beside inserts of %.3f), %.2f s of time, %.1f refreshes, %.0f failures; load %v",
		apps, f.CPU, f.RankerCPU, f.EngineCPU, f.BesideCPU, f.InsertCPU, f.Wall, f.Measured, f.Failures, f.Load)
	return f, nil
}

// rounds measures the inserts and the limit alone, the ranker, and once more the inserts and the limit.
func (b *bench) rounds(ctx context.Context, f *figures) error {
	if err := b.alone(ctx, f); err != nil {
		return err
	}
	s, err := b.refreshes(ctx, f)
	b.stopRanker()
	if err != nil {
		return err
	}
	if err := b.alone(ctx, f); err != nil {
		return err
	}
	if f.MergeCPU, err = b.cost(ctx, 1, minutesQuery, b.to.Add(-window)); err != nil {
		return err
	}
	inserts := (f.InsertAlone[0] + f.InsertAlone[1]) / 2 * s.inserted.Seconds()
	f.Measured, f.Failures = round3((s.ranked+s.failed)/float64(f.Apps)), s.failed
	if f.Measured == 0 {
		f.Trouble = cmp.Or(f.Trouble, "no refresh was seen")
		return nil
	}
	each := func(sum float64) float64 { return round3(sum / f.Measured) }
	f.RankerCPU, f.EngineCPU, f.BesideCPU, f.InsertCPU = each(s.ranker), each(s.queries), each(s.engine-inserts), each(inserts)
	f.Wall = each(s.busy.Seconds())
	f.CPU = round3(f.RankerCPU + f.EngineCPU)
	f.SamplesPerS = math.Round(float64(f.Cells) / beat.Seconds() * s.inserted.Seconds() / s.lasted.Seconds())
	f.BucketBytes, f.StreamBytes = math.Round(each(s.bucket)), math.Round(each(s.stream))
	return nil
}

// alone measures the inserts and the limit with no ranker.
func (b *bench) alone(ctx context.Context, f *figures) error {
	if err := b.caughtUp(ctx); err != nil {
		return err
	}
	from, before, err := b.inserted()
	if err != nil {
		return err
	}
	if err := process.Pause(ctx, b.span/3); err != nil {
		return err
	}
	to, after, err := b.inserted()
	if err != nil {
		return err
	}
	f.InsertAlone = append(f.InsertAlone, round3((after-before).Seconds()/max(to.Sub(from).Seconds(), flush.Seconds())))
	b.load.turn.RLock() // no inserts meanwhile
	defer b.load.turn.RUnlock()
	limit, err := b.cost(ctx, 5, newQuery, b.to.Add(-b.interval))
	f.LimitCPU = append(f.LimitCPU, limit)
	return err
}

// inserted is up to when samples are inserted, and what the engine has taken until then.
func (b *bench) inserted() (time.Time, time.Duration, error) {
	b.load.turn.RLock()
	defer b.load.turn.RUnlock()
	cpu, err := b.engine.CPU()
	return b.to, cpu, err
}

// caughtUp waits until an INSERT can hold all that is due, or until that is hopeless.
func (b *bench) caughtUp(ctx context.Context) error {
	deadline := time.Now().Add(b.longest)
	for time.Now().Before(deadline) {
		to, _, err := b.inserted()
		if err != nil || time.Since(to) < longest {
			return err
		}
		if err := process.Pause(ctx, flush); err != nil {
			return err
		}
	}
	say("the inserts are behind")
	return nil
}

// The newest samples, as a reader of what is new would have them, and the minutes of the window, as one would merge them each time.
const (
	newQuery = `SELECT app, kind, vantage, region, variant, due, outcome, latency_us, stream_sequence FROM samples
		WHERE toStartOfFiveMinutes(due) >= toStartOfFiveMinutes(fromUnixTimestamp64Milli(%[1]d, 'UTC')) AND due >= fromUnixTimestamp64Milli(%[1]d, 'UTC')`
	minutesQuery = `SELECT app, kind, vantage, region, variant, sum(samples), sum(failures), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(latency) FROM samples_1m
		WHERE toStartOfHour(minute) >= toStartOfHour(fromUnixTimestamp64Milli(%[1]d, 'UTC')) AND minute >= fromUnixTimestamp64Milli(%[1]d, 'UTC') GROUP BY app, kind, vantage, region, variant`
)

// nowhere is where the rows go.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// cost is the engine's processor seconds for a query, the mean of several. Of several, one more comes first, which finds the caches empty.
func (b *bench) cost(ctx context.Context, times int, query string, from time.Time) (float64, error) {
	if err := process.Settle(ctx, b.db, b.span/4); err != nil {
		return 0, err
	}
	var before time.Duration
	for i := range times + min(times-1, 1) {
		if i == min(times-1, 1) {
			var err error
			if before, err = b.engine.CPU(); err != nil {
				return 0, err
			}
		}
		if err := b.db.QueryFormat(ctx, nowhere{}, "Native", fmt.Sprintf(query, from.UnixMilli())); err != nil {
			return 0, err
		}
	}
	after, err := b.engine.CPU()
	return round3((after - before).Seconds() / float64(times)), err
}

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }
