package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/datapath"
	"github.com/leeward-failover/leeward/test/process"
)

// report is the line of JSON.
type report struct {
	// SamplesPerS is from the first publish to the last row that can be queried, with the publisher at full speed on the same machine; LimitSamplesPerS is the driver and the engine alone with blocks of the same size.
	SamplesPerS      float64 `json:"samples_per_s"`
	LimitSamplesPerS float64 `json:"limit_samples_per_s"`
	Ratio            float64 `json:"ratio"`
	// CPUPerMillion is of NATS, the recorder and the engine, until the engine has merged what it wants to.
	CPUPerMillion float64            `json:"cpu_s_per_million"`
	CPUParts      map[string]float64 `json:"cpu_s_per_million_of"`
	// LimitCPU is of the engine and the driver alone; RatioCPU is how much of CPUPerMillion that is, which a busy machine disturbs less than Ratio.
	LimitCPU float64 `json:"limit_cpu_s_per_million"`
	RatioCPU float64 `json:"ratio_cpu"`
	// FsyncCost is how much more time with syncing than without.
	FsyncCost  map[string]float64 `json:"fsync_cost"`
	BlockRows  float64            `json:"block_rows"`
	VisibleP50 float64            `json:"visible_p50_ms"`
	VisibleP99 float64            `json:"visible_p99_ms"`
	VisibleMax float64            `json:"visible_max_ms"`
	// VisibleCores is how many processors each kept busy meanwhile; the engine's include the bench's own looking.
	VisibleCores map[string]float64 `json:"visible_cores"`
	RawBytes     map[string]float64 `json:"raw_bytes_per_sample"`
	BusBytes     map[string]float64 `json:"bus_bytes_per_sample"`
	BusBytes1000 map[string]float64 `json:"bus_bytes_per_sample_1000"`
	Lost         int64              `json:"lost"`
	Duplicates   int64              `json:"duplicates"`
	Published    int64              `json:"published"`
	Ranking1h    float64            `json:"ranking_1h_ms"`
	Ranking24h   float64            `json:"ranking_24h_ms"`
	RowsRanked   uint64             `json:"rows_ranked"`
	Represented  uint64             `json:"samples_represented"`
	RecorderRSS  float64            `json:"recorder_rss_mb"`
	Rounds       []round            `json:"rounds"`
	Seconds      float64            `json:"seconds"`
	Machine      string             `json:"machine"`
	Load         []float64          `json:"load"`
}

// round is one measurement of throughput.
type round struct {
	Kind        string  `json:"kind"`
	SamplesPerS float64 `json:"samples_per_s"`
	NATS        float64 `json:"nats_cpu_s,omitempty"`
	Recorder    float64 `json:"recorder_cpu_s,omitempty"`
	Engine      float64 `json:"engine_cpu_s"`
	Publisher   float64 `json:"publisher_cpu_s,omitempty"`
	Driver      float64 `json:"driver_cpu_s,omitempty"`
	BlockRows   float64 `json:"block_rows"`
	Rows        int     `json:"rows"`
	Load        float64 `json:"load"`
}

// perMillion is the processor seconds for a million samples.
func (r round) perMillion(seconds float64) float64 { return seconds / float64(r.Rows) * 1e6 }

// The kinds of round.
const (
	whole    = "whole"    // the whole path
	limit    = "limit"    // the driver and the engine alone
	unsynced = "unsynced" // the whole path, nothing synced
)

type bench struct {
	*world
	options
	report *report
	from   time.Time // where the next load's due times begin
	boot   uint64
}

func (b *bench) run(ctx context.Context) error {
	begin := time.Now()
	b.boot = uint64(begin.UnixMicro())
	// Due times go on from round to round, as if the load had lasted all the time, and end now.
	b.from = begin.Add(-time.Duration(3*b.rounds) * b.span).Truncate(time.Minute)
	for _, step := range []func(context.Context) error{b.throughput, b.visibility, b.busBytes, b.rawBytes, b.rankings} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.report.RecorderRSS = round3(float64(b.rss) / (1 << 20))
	b.report.Seconds = round3(time.Since(begin).Seconds())
	return nil
}

// throughput alternates the kinds of round, so that what else the machine does falls on all alike.
func (b *bench) throughput(ctx context.Context) error {
	// The first recorder makes the tables.
	if err := b.startRecorder(ctx); err != nil {
		return err
	}
	b.stopRecorder()
	blockRows := 0.0
	for range b.rounds {
		for _, kind := range []string{whole, limit, unsynced} {
			load, err := datapath.Make(b.from, b.span, b.boot)
			if err != nil {
				return err
			}
			b.from, b.boot = load.To, b.boot+1
			var r round
			switch kind {
			case limit:
				r, err = b.limitRound(ctx, load, int(blockRows))
			default:
				r, err = b.wholeRound(ctx, load, kind == whole)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			if kind == whole {
				blockRows = r.BlockRows
			}
			r.Kind, r.Rows = kind, load.Rows
			r.Load = process.LoadAverage()
			b.report.Rounds = append(b.report.Rounds, r)
			say("%-8s %7.0f samples/s, CPU s per million: nats %.3f, recorder %.3f, engine %.3f, publisher %.3f, driver alone %.3f; blocks of %.0f rows; load %.2f",
				kind, r.SamplesPerS, r.perMillion(r.NATS), r.perMillion(r.Recorder), r.perMillion(r.Engine), r.perMillion(r.Publisher), r.perMillion(r.Driver), r.BlockRows, r.Load)
		}
	}
	b.summarize()
	return nil
}

// summarize makes the medians.
func (b *bench) summarize() {
	of := func(kind string, value func(round) float64) float64 {
		var values []float64
		for _, r := range b.report.Rounds {
			if r.Kind == kind {
				values = append(values, value(r))
			}
		}
		return median(values)
	}
	speed := func(r round) float64 { return r.SamplesPerS }
	total := func(r round) float64 { return r.perMillion(r.NATS + r.Recorder + r.Engine) }
	p := b.report
	p.SamplesPerS, p.LimitSamplesPerS = math.Round(of(whole, speed)), math.Round(of(limit, speed))
	p.Ratio = round3(p.SamplesPerS / p.LimitSamplesPerS)
	p.CPUPerMillion = round3(of(whole, total))
	p.CPUParts = map[string]float64{
		"nats":      round3(of(whole, func(r round) float64 { return r.perMillion(r.NATS) })),
		"recorder":  round3(of(whole, func(r round) float64 { return r.perMillion(r.Recorder) })),
		"engine":    round3(of(whole, func(r round) float64 { return r.perMillion(r.Engine) })),
		"publisher": round3(of(whole, func(r round) float64 { return r.perMillion(r.Publisher) })),
	}
	p.LimitCPU = round3(of(limit, func(r round) float64 { return r.perMillion(r.Engine + r.Driver) }))
	p.RatioCPU = round3(p.LimitCPU / p.CPUPerMillion)
	p.FsyncCost = map[string]float64{"cpu": round3(p.CPUPerMillion / of(unsynced, total)), "wall": round3(of(unsynced, speed) / p.SamplesPerS)}
	p.BlockRows = math.Round(of(whole, func(r round) float64 { return r.BlockRows }))
}

// spent is the processor time of the three, in seconds.
func (b *bench) spent() (nats, recorder, engine float64, err error) {
	var errs []error
	seconds := func(c *process.Process) float64 {
		if c == nil {
			return 0
		}
		d, err := c.CPU()
		errs = append(errs, err)
		return d.Seconds()
	}
	nats, recorder, engine = seconds(b.nats), seconds(b.recorder), seconds(b.engine.Process)
	return nats, recorder, engine, errors.Join(errs...)
}

// wholeRound publishes a load at full speed and waits until all of it can be queried.
func (b *bench) wholeRound(ctx context.Context, load datapath.Load, synced bool) (r round, err error) {
	if !synced {
		if err := b.sync(ctx, false); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, b.sync(ctx, true)) }()
	}
	if err := b.startRecorder(ctx); err != nil {
		return r, err
	}
	defer b.stopRecorder()
	if err := b.settle(ctx); err != nil {
		return r, err
	}
	before, err := process.StoredSamples(ctx, b.db)
	if err != nil {
		return r, err
	}
	parts, err := b.newParts(ctx)
	if err != nil {
		return r, err
	}
	nats, recorder, engine, err := b.spent()
	if err != nil {
		return r, err
	}
	var p published
	var landed time.Time
	g, watch := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		p, err = b.publish(watch, load)
		return err
	})
	g.Go(func() error {
		for {
			n, err := process.StoredSamples(watch, b.db)
			if err != nil {
				return err
			}
			if landed = time.Now(); n >= before+uint64(load.Rows) {
				return nil
			}
			if err := process.Pause(watch, 20*time.Millisecond); err != nil {
				return err
			}
		}
	})
	if err := g.Wait(); err != nil {
		return r, err
	}
	if err := b.settle(ctx); err != nil {
		return r, err
	}
	natsAfter, recorderAfter, engineAfter, err := b.spent()
	if err != nil {
		return r, err
	}
	partsAfter, err := b.newParts(ctx)
	if err != nil {
		return r, err
	}
	r = round{
		SamplesPerS: math.Round(float64(load.Rows) / landed.Sub(time.UnixMicro(p.Begin)).Seconds()),
		NATS:        round3(natsAfter - nats), Recorder: round3(recorderAfter - recorder), Engine: round3(engineAfter - engine), Publisher: round3(p.CPU.Seconds()),
		BlockRows: math.Round(float64(load.Rows) / float64(partsAfter-parts)),
	}
	return r, b.verify(ctx, load, int64(p.Rows))
}

// newParts is how many parts INSERTs have made of samples so far: merged parts keep the numbers of the blocks they are made of.
func (b *bench) newParts(ctx context.Context) (uint64, error) {
	return b.number(ctx, "SELECT toUInt64(max(max_block_number)) FROM system.parts WHERE database = currentDatabase() AND table = 'samples'")
}

// verify counts what was lost and what is there twice.
func (b *bench) verify(ctx context.Context, load datapath.Load, published int64) error {
	var rows, different uint64
	if err := b.db.QueryRow(ctx, "SELECT count(), uniqExact(vantage, boot, counter, batch_row) FROM samples WHERE "+within(load)).Scan(&rows, &different); err != nil {
		return err
	}
	b.report.Published += published
	b.report.Lost += published - int64(different)
	b.report.Duplicates += int64(rows) - int64(different)
	return nil
}

// limitRound inserts a load that is ready in memory, with nothing else running.
func (b *bench) limitRound(ctx context.Context, load datapath.Load, blockRows int) (r round, err error) {
	file := filepath.Join(b.dir, "blocks")
	if err := load.Write(file); err != nil {
		return r, err
	}
	if err := b.settle(ctx); err != nil {
		return r, err
	}
	_, _, engine, err := b.spent()
	if err != nil {
		return r, err
	}
	in, err := b.blocks(ctx, file, "samples", blockRows)
	if err != nil {
		return r, err
	}
	if in.Rows != load.Rows {
		return r, fmt.Errorf("%d rows inserted of %d", in.Rows, load.Rows)
	}
	if err := b.settle(ctx); err != nil {
		return r, err
	}
	_, _, after, err := b.spent()
	return round{
		SamplesPerS: math.Round(float64(in.Rows) / in.Seconds), Engine: round3(after - engine), Driver: round3(in.CPU), BlockRows: math.Round(float64(in.Rows) / float64(in.Blocks)),
	}, err
}

// inserted is what the child blocks did.
type inserted struct {
	Rows, Blocks int
	Seconds, CPU float64
}

// blocks runs the child that inserts a file.
func (b *bench) blocks(ctx context.Context, file, table string, rows int) (in inserted, err error) {
	out, _, err := b.world.run(ctx, filepath.Join(b.world.bin, "blocks"), "-dsn", b.engine.DSN, "-file", file, "-table", table, "-rows", fmt.Sprint(max(rows, 1000)), "-token", fmt.Sprintf("%s-%d", table, time.Now().UnixNano()))
	if err != nil {
		return in, err
	}
	return in, json.Unmarshal(out, &in)
}

// visibility measures how long after its publish each batch can be queried, at the rate the load stands for.
func (b *bench) visibility(ctx context.Context) error {
	if b.visible == 0 {
		return nil
	}
	if err := b.startRecorder(ctx); err != nil {
		return err
	}
	defer b.stopRecorder()
	if err := b.settle(ctx); err != nil {
		return err
	}
	load := datapath.Load{Boot: uint64(time.Now().UnixMicro()), From: time.Now(), To: time.Now().Add(b.visible + time.Minute)}
	type key struct {
		vantage string
		counter uint64
	}
	seen := map[key]int64{}
	newest := map[string]uint64{}
	look := func(ctx context.Context) error {
		rows, err := b.db.Query(ctx, "SELECT vantage, max(counter) FROM samples WHERE "+within(load)+" GROUP BY vantage")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		now := time.Now().UnixMicro()
		for rows.Next() {
			var vantage string
			var counter uint64
			if err := rows.Scan(&vantage, &counter); err != nil {
				return err
			}
			for newest[vantage] < counter {
				newest[vantage]++
				seen[key{vantage, newest[vantage]}] = now
			}
		}
		return rows.Err()
	}
	done := make(chan struct{})
	g, watch := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			last := false
			select {
			case <-done:
				last = true
			case <-time.After(20 * time.Millisecond):
			}
			if err := look(watch); err != nil || last {
				return err
			}
		}
	})
	nats, recorder, engine, err := b.spent()
	if err != nil {
		return err
	}
	begin := time.Now()
	var p published
	g.Go(func() (err error) {
		defer close(done)
		p, err = b.runPublisher(watch, "-paced", b.visible.String(), "-boot", fmt.Sprint(load.Boot))
		if err == nil {
			err = process.Pause(watch, 2*time.Second)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	natsAfter, recorderAfter, engineAfter, err := b.spent()
	if err != nil {
		return err
	}
	cores := func(seconds float64) float64 { return round3(seconds / time.Since(begin).Seconds()) }
	b.report.VisibleCores = map[string]float64{"nats": cores(natsAfter - nats), "recorder": cores(recorderAfter - recorder), "engine": cores(engineAfter - engine)}
	var delays []float64
	for _, s := range p.Batches {
		at, ok := seen[key{s.Vantage, s.Counter}]
		if !ok {
			return fmt.Errorf("batch %d of %s is not visible", s.Counter, s.Vantage)
		}
		delays = append(delays, float64(at-s.At)/1000)
	}
	slices.Sort(delays)
	r := b.report
	r.VisibleP50, r.VisibleP99, r.VisibleMax = round3(delays[len(delays)/2]), round3(delays[len(delays)*99/100]), round3(delays[len(delays)-1])
	say("visible  p50 %.0f ms, p99 %.0f ms, max %.0f ms of %d batches at %.0f samples/s; cores %v; load %.2f", r.VisibleP50, r.VisibleP99, r.VisibleMax, len(delays), float64(p.Rows)/b.visible.Seconds(), r.VisibleCores, process.LoadAverage())
	return b.verify(ctx, load, int64(p.Rows))
}

// single is the kinds that sizes are measured of, and the whole mix.
var single = map[string][]schemas.Kind{"icmp": {schemas.KindICMP}, "http": {schemas.KindHTTP}, "mix": nil}

// busBytes measures encoded batches of 100 and of 1,000 samples.
func (b *bench) busBytes(context.Context) error {
	b.report.BusBytes, b.report.BusBytes1000 = map[string]float64{}, map[string]float64{}
	for name, kinds := range single {
		var err error
		if b.report.BusBytes[name], err = encoded(kinds, 100); err != nil {
			return err
		}
		if b.report.BusBytes1000[name], err = encoded(kinds, 1000); err != nil {
			return err
		}
	}
	say("bus      bytes per sample: %v at 100 a message, %v at 1,000", b.report.BusBytes, b.report.BusBytes1000)
	return nil
}

// encoded is the bytes per sample of messages of so many samples each.
func encoded(kinds []schemas.Kind, rows int) (float64, error) {
	total, samples := 0, 0
	for i := range datapath.Vantages {
		v := datapath.New(i, time.Unix(1_800_000_000, 0), 1_800_000_000_000_000, kinds...)
		all := v.Batch(25 * time.Second)
		for from := 0; from+rows <= all.Len() && from < 5*rows; from += rows {
			part := &schemas.SampleBatch{Vantage: all.Vantage, VantageRegion: all.VantageRegion, Boot: all.Boot, Counter: uint64(1000 + from), Topology: all.Topology}
			for row := range rows {
				part.Append(all.At(from + row))
			}
			data, err := part.Encode()
			if err != nil {
				return 0, err
			}
			total, samples = total+len(data), samples+rows
		}
	}
	return round3(float64(total) / float64(samples)), nil
}

// rawBytes measures tables made as samples is, each with samples of one kind or of the mix, merged into one part a day.
func (b *bench) rawBytes(ctx context.Context) error {
	if b.bytes == 0 {
		return nil
	}
	b.report.RawBytes = map[string]float64{}
	for name, kinds := range single {
		load, err := datapath.Make(time.Now().Add(-b.bytes-5*time.Minute).Truncate(5*time.Minute), b.bytes, uint64(time.Now().UnixMicro()), kinds...)
		if err != nil {
			return err
		}
		file, table := filepath.Join(b.dir, "blocks"), "raw_"+name
		if err := load.Write(file); err != nil {
			return err
		}
		if err := b.db.Exec(ctx, "CREATE TABLE "+table+" AS samples"); err != nil {
			return err
		}
		in, err := b.blocks(ctx, file, table, 100_000)
		if err != nil {
			return err
		}
		if err := b.db.Exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			return err
		}
		var rows, onDisk uint64
		if err := b.db.QueryRow(ctx, "SELECT toUInt64(sum(rows)), toUInt64(sum(bytes_on_disk)) FROM system.parts WHERE database = currentDatabase() AND active AND table = '"+table+"'").Scan(&rows, &onDisk); err != nil {
			return err
		}
		if rows != uint64(in.Rows) {
			return fmt.Errorf("%s holds %d rows of %d", table, rows, in.Rows)
		}
		b.report.RawBytes[name] = round3(float64(onDisk) / float64(rows))
		columns, err := b.names(ctx, "SELECT concat(column, ' ', toString(round(sum(column_data_compressed_bytes + column_marks_bytes) / sum(rows), 2))) FROM system.parts_columns WHERE database = currentDatabase() AND active AND table = '"+table+"' GROUP BY column ORDER BY sum(column_data_compressed_bytes) DESC")
		if err != nil {
			return err
		}
		say("raw      %s: %.2f bytes per sample of %d: %v", name, b.report.RawBytes[name], rows, columns)
		if err := b.db.Exec(ctx, "DROP TABLE "+table); err != nil {
			return err
		}
	}
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }
