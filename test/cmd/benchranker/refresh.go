package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/process"
)

// spent is what the refreshes of a span took together.
type spent struct {
	counters
	ranker, engine, queries float64 // processor seconds
	bucket, stream          float64 // bytes
	busy                    time.Duration
	inserted, lasted        time.Duration
}

// refreshes starts the ranker and measures its refreshes after the first one.
func (b *bench) refreshes(ctx context.Context, f *figures) (s spent, err error) {
	if err := b.first(ctx, f); err != nil {
		return s, err
	}
	if _, err := b.follow(ctx, 0); err != nil {
		return s, err
	}
	// The ranker's counters are read where that is not measured, since it costs the ranker something.
	before, err := b.counters(ctx)
	if err != nil {
		return s, err
	}
	from, err := b.moment(ctx)
	if err != nil {
		return s, err
	}
	busy, err := b.follow(ctx, b.span)
	if err != nil {
		return s, err
	}
	to, err := b.moment(ctx)
	if err != nil {
		return s, err
	}
	s = between(from, to)
	s.busy = busy
	if s.counters, err = b.counters(ctx); err != nil {
		return s, err
	}
	s.ranked, s.failed = s.ranked-before.ranked, s.failed-before.failed
	return s, b.look(ctx, f)
}

// first starts the ranker and waits until it has tried every app once, but no longer than anything is measured.
func (b *bench) first(ctx context.Context, f *figures) error {
	begin := time.Now()
	if err := b.startRanker(b.interval, b.DSN); err != nil {
		return err
	}
	if err := process.Until(ctx, "ranker", func() error { _, err := b.ask(ctx, "/livez"); return err }); err != nil {
		return err
	}
	for {
		c, err := b.counters(ctx)
		if err != nil {
			return err
		}
		if c.ranked+c.failed >= float64(f.Apps) || time.Since(begin) > b.longest {
			break
		}
		if err := process.Pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	cpu, err := b.ranker.CPU()
	f.Start, f.StartCPU = round3(time.Since(begin).Seconds()), round3(cpu.Seconds())
	return err
}

// follow follows the ranker for a span of time and until it rests then, which it does not when its refreshes follow each other. It returns how long the ranker was at work.
func (b *bench) follow(ctx context.Context, span time.Duration) (busy time.Duration, err error) {
	const (
		tick  = 20 * time.Millisecond
		work  = tick / 10 // more than an idle process takes in a tick
		rests = 15        // ticks
	)
	last, err := b.ranker.CPU()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	for at, idle := begin, 0; at.Sub(begin) < b.longest && (at.Sub(begin) < span || idle < rests); idle++ {
		if err := process.Pause(ctx, tick); err != nil {
			return busy, err
		}
		cpu, err := b.ranker.CPU()
		if err != nil {
			return busy, err
		}
		now := time.Now()
		if _, asking := b.spent(); asking || cpu-last > work {
			busy += now.Sub(at)
			idle = -1
		}
		at, last = now, cpu
	}
	return busy, nil
}

// moment is what has been spent so far, and what the bus holds.
type moment struct {
	at, to                  time.Time
	ranker, engine, queries time.Duration
	bucket, stream          bus.StreamState
}

func (b *bench) moment(ctx context.Context) (m moment, err error) {
	if m.ranker, err = b.ranker.CPU(); err != nil {
		return m, err
	}
	if m.to, m.engine, err = b.inserted(); err != nil {
		return m, err
	}
	m.at = time.Now()
	m.queries, _ = b.spent()
	if m.bucket, err = b.setup.State(ctx, rankings); err != nil {
		return m, err
	}
	m.stream, err = b.setup.State(ctx, schemas.Evaluations)
	return m, err
}

// rankings is the stream behind the bucket that rankings are written to.
var rankings = schemas.BucketStream(schemas.RankingBucket.Name())

func between(from, to moment) spent {
	s := spent{
		ranker: (to.ranker - from.ranker).Seconds(), engine: (to.engine - from.engine).Seconds(), queries: (to.queries - from.queries).Seconds(),
		stream: float64(to.stream.Bytes) - float64(from.stream.Bytes), inserted: to.to.Sub(from.to), lasted: to.at.Sub(from.at),
	}
	// The bucket keeps the newest ranking of an app only.
	if to.bucket.Messages > 0 {
		s.bucket = float64(to.bucket.Last-from.bucket.Last) * float64(to.bucket.Bytes) / float64(to.bucket.Messages)
	}
	return s
}

// look reads what is there at the end.
func (b *bench) look(ctx context.Context, f *figures) error {
	if _, err := b.ask(ctx, "/readyz"); err != nil {
		f.Trouble, _, _ = strings.Cut(err.Error(), "\n")
	}
	resident, err := b.ranker.Resident()
	if err != nil {
		return err
	}
	f.RSS, f.PeakRSS = math.Round(float64(resident)/(1<<20)), math.Round(float64(b.ranker.Peak())/(1<<20))
	if f.RankingBytes, err = b.size(ctx, rankings, "$KV."+schemas.RankingBucket.Name()+"."+schemas.KeyOf(appName(0))); err != nil {
		return err
	}
	f.EvalBytes, err = b.size(ctx, schemas.Evaluations, schemas.EvaluationSubject(appName(0)))
	return err
}

// size is how many bytes the newest message of a subject has, 0 when there is none.
func (b *bench) size(ctx context.Context, stream, subject string) (int, error) {
	m, err := b.setup.Last(ctx, stream, subject)
	if errors.Is(err, bus.ErrNotFound) {
		return 0, nil
	}
	return len(m.Data), err
}
