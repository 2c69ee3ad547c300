package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/process"
)

// least is how many refreshes are measured at least, if the time suffices.
const least = 3

// spent is what all refreshes of a span took together.
type spent struct {
	counters
	ranker, engine   float64 // processor seconds
	bucket, stream   float64 // bytes
	inserted, lasted time.Duration
}

// moment is what has been spent so far.
type moment struct {
	counters
	at             time.Time
	to             time.Time
	ranker, engine time.Duration
	bucket, stream bus.StreamState
}

// spent reads what the processes have spent so far, and what the bus holds.
func (b *bench) spentNow(ctx context.Context) (m moment, err error) {
	if m.ranker, err = b.ranker.CPU(); err != nil {
		return m, err
	}
	if m.to, m.engine, err = b.inserted(); err != nil {
		return m, err
	}
	m.at = time.Now()
	if m.bucket, err = b.setup.State(ctx, rankings); err != nil {
		return m, err
	}
	m.stream, err = b.setup.State(ctx, schemas.Evaluations)
	return m, err
}

// rankings is the stream behind the bucket that rankings are written to.
var rankings = schemas.BucketStream(schemas.RankingBucket.Name())

// refreshes starts the ranker and measures its refreshes after the first one. The counters are read where that is not measured, since it costs the ranker something.
func (b *bench) refreshes(ctx context.Context, f *figures) (s spent, err error) {
	if err := b.first(ctx, f); err != nil {
		return s, err
	}
	counted, err := b.counters(ctx)
	if err != nil {
		return s, err
	}
	from, err := b.spentNow(ctx)
	if err != nil {
		return s, err
	}
	if f.Wall, err = b.follow(ctx, f.Apps, from); err != nil {
		return s, err
	}
	to, err := b.spentNow(ctx)
	if err != nil {
		return s, err
	}
	s = between(from, to)
	if s.counters, err = b.counters(ctx); err != nil {
		return s, err
	}
	s.ranked, s.failed = s.ranked-counted.ranked, s.failed-counted.failed
	return s, b.look(ctx, f)
}

// first starts the ranker and waits for its first refresh, or as long as anything is waited for.
func (b *bench) first(ctx context.Context, f *figures) error {
	begin := time.Now()
	if err := b.startRanker(b.interval); err != nil {
		return err
	}
	if err := process.Until(ctx, "ranker", func() error { _, err := b.ask(ctx, "/livez"); return err }); err != nil {
		return err
	}
	if _, err := b.refreshed(ctx, uint64(f.Apps), begin.Add(b.longest)); err != nil {
		return err
	}
	cpu, err := b.ranker.CPU()
	f.Start, f.StartCPU = round3(time.Since(begin).Seconds()), round3(cpu.Seconds())
	return err
}

// refreshed waits until so many rankings have been written, no longer than told, and returns how many there are.
func (b *bench) refreshed(ctx context.Context, rankingsWritten uint64, deadline time.Time) (uint64, error) {
	for {
		s, err := b.setup.State(ctx, rankings)
		if err != nil || s.Last >= rankingsWritten || time.Now().After(deadline) {
			return s.Last, err
		}
		if err := process.Pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// follow follows refreshes until it has seen enough of them, and returns how long one takes.
func (b *bench) follow(ctx context.Context, apps int, from moment) (seconds float64, err error) {
	var walls []float64
	last, deadline := from.bucket.Last, from.at.Add(b.longest)
	for n := 0; time.Now().Before(deadline) && (n < least || time.Since(from.at) < b.span); n++ {
		begin := time.Now()
		if last, err = b.refreshed(ctx, last+uint64(apps), deadline); err != nil {
			return 0, err
		}
		took, err := b.took(ctx, apps)
		if err != nil {
			return 0, err
		}
		if took <= 0 { // the next one has begun: they follow each other
			took = time.Since(begin)
		}
		walls = append(walls, took.Seconds())
	}
	return round3(median(walls)), nil
}

// took is how long after the time of the first app's ranking the last app's was written; nothing for rankings of different refreshes, or none.
func (b *bench) took(ctx context.Context, apps int) (time.Duration, error) {
	first, err := bus.Get(ctx, b.reader, schemas.RankingBucket, appName(0))
	if errors.Is(err, bus.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	last, err := b.setup.Last(ctx, rankings, "$KV."+schemas.RankingBucket.Name()+"."+schemas.KeyOf(appName(apps-1)))
	if errors.Is(err, bus.ErrNotFound) {
		return 0, nil
	}
	return last.Stored.Sub(first.Value.At), err
}

func between(from, to moment) spent {
	s := spent{ranker: (to.ranker - from.ranker).Seconds(), engine: (to.engine - from.engine).Seconds(), inserted: to.to.Sub(from.to), lasted: to.at.Sub(from.at)}
	// The bucket keeps the newest ranking of an app only.
	if to.bucket.Messages > 0 {
		s.bucket = float64(to.bucket.Last-from.bucket.Last) * float64(to.bucket.Bytes) / float64(to.bucket.Messages)
	}
	s.stream = float64(to.stream.Bytes) - float64(from.stream.Bytes)
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
	for stream, size := range map[string]*int{rankings: &f.RankingBytes, schemas.Evaluations: &f.EvalBytes} {
		subject := schemas.EvaluationSubject(appName(0))
		if stream == rankings {
			subject = "$KV." + schemas.RankingBucket.Name() + "." + schemas.KeyOf(appName(0))
		}
		m, err := b.setup.Last(ctx, stream, subject)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return err
		}
		*size = len(m.Data)
	}
	return nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}
