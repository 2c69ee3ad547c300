package partition

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/sethvargo/go-retry"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

const (
	// tryTime is how long one INSERT may take before it is given up and sent again.
	tryTime = time.Minute
	// lookEvery is how often a quiet partition looks at its stream.
	lookEvery = time.Second
	// lookTime is how long a look may take before it is trouble.
	lookTime = 10 * time.Second
)

// Contents collects the rows of a block. The same messages in the same order give the same rows.
type Contents interface {
	// Add adds what can be read of a message and says how many rows that is; the error says what can not be read.
	Add(bus.Message) (rows int, err error)
	Tables() []table.Rows
	Reset()
}

// Unsafe names guards that are left out.
type Unsafe struct {
	// Token gives every try of an INSERT a token of its own.
	Token bool
	// Look sends a block again without asking whether it is in.
	Look bool
	// Fence writes intents whoever wrote the last one.
	Fence bool
}

// Writer lands one partition.
type Writer struct {
	// Name is the partition's key in the bucket, as in samples-0, or tokyo-samples-0 of the domain tokyo.
	Name, Stream string
	Source       Domain
	// Subjects are the partition's part of the stream; none means all of it.
	Subjects []string
	Contents Contents
	Bus      *bus.Bus
	Insert   func(context.Context, clickhouse.Block) error
	// Number is the one number of a query, and Exec runs a statement.
	Number func(ctx context.Context, query string) (uint64, error)
	Exec   func(ctx context.Context, statement string) error
	// Owner tells this recorder from others in the intents.
	Owner string
	// A block ends when its first message has waited FlushInterval, or when it holds FlushRows.
	FlushInterval time.Duration
	FlushRows     int
	// Grace is how long a try that is under way may go on after the recorder was told to stop or has lost the partition.
	Grace time.Duration
	// Unsafe leaves guards out, for the tests that show what each is for.
	Unsafe  Unsafe
	Metrics *Metrics
	Log     zerolog.Logger

	held        func() bool
	trouble     *trouble
	ledger      ledger
	block       block
	incarnation string
	// landed is the sequence up to which everything is in ClickHouse.
	landed uint64
}

// errOtherStream says that the stream was made anew while its messages were being recorded.
var errOtherStream = errors.New("the stream was made anew")

// Ready returns why the partition is not being recorded now, or nil.
func (w *Writer) Ready() error { return w.trouble.err(w.Name) }

// errNotHeld says that the right to the partition has ended.
var errNotHeld = errors.New("the partition is not this recorder's any more")

// Run lands the partition until ctx ends or another recorder has taken it over. held says whether the right to it still lasts, which a process that was frozen learns from it at once.
func (w *Writer) Run(ctx context.Context, held func() bool) error {
	w.held = held
	w.Metrics.begin(w.Name)
	defer w.Metrics.end(w.Name)
	w.trouble.begin()
	defer w.trouble.end()
	for {
		err := w.run(ctx)
		if errors.Is(err, errNotHeld) {
			return nil // the lease may be back by now, and the next run begins with it
		}
		if !errors.Is(err, errOtherStream) {
			return err
		}
		w.Log.Warn().Str("incarnation", w.incarnation).Msg("stream made anew")
	}
}

func (w *Writer) run(ctx context.Context) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	if w.ledger.intent.State == before {
		if err := w.replay(ctx); err != nil {
			return err
		}
	}
	w.Log.Info().Str("incarnation", w.incarnation).Uint64("landed", w.landed).Msg("partition opened")
	g, ctx := errgroup.WithContext(ctx)
	messages := make(chan bus.Message)
	g.Go(func() error {
		return w.Source.Tail(ctx, w.Stream, w.landed+1, w.Subjects, func(m bus.Message) error {
			select {
			case messages <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	g.Go(func() error { return w.land(ctx, messages) })
	return g.Wait()
}

// open learns where the partition stands. It waits for a stream or a bucket that is not there yet.
func (w *Writer) open(ctx context.Context) error {
	w.block.reset(w.Contents)
	w.ledger = ledger{bus: w.Bus, partition: w.Name, unfenced: w.Unsafe.Fence}
	return w.persist(ctx, "open", func(ctx context.Context) error {
		stream, err := w.Source.State(ctx, w.Stream)
		if err != nil {
			return err
		}
		if err := w.ledger.read(ctx); err != nil {
			return err
		}
		w.incarnation = stream.Incarnation
		if i := w.ledger.intent; i.Incarnation != "" && i.Incarnation != stream.Incarnation {
			w.Log.Warn().Str("recorded", i.Incarnation).Str("incarnation", stream.Incarnation).Msg("stream made anew since it was recorded")
			w.ledger.intent = schemas.InsertIntent{}
		}
		w.landed = w.ledger.intent.Last
		return nil
	})
}

// replay inserts the block again of which nobody knows whether it is in.
func (w *Writer) replay(ctx context.Context) error {
	intent := w.ledger.intent
	w.Log.Info().Uint64("first", intent.First).Uint64("last", intent.Last).Msg("block replayed")
	if err := w.read(ctx, intent.First, intent.Last); err != nil {
		return err
	}
	if w.block.rows != intent.Rows {
		// Nothing else can be done: what the stream no longer holds is in ClickHouse already or nowhere.
		w.Log.Warn().Int("rows", w.block.rows).Int("want", intent.Rows).Msg("block shrunk in the stream")
	}
	return w.insert(ctx, intent, true)
}

// errWhole ends the reading of a block.
var errWhole = errors.New("the block is whole")

// read collects every message that the stream holds in [first, last].
func (w *Writer) read(ctx context.Context, first, last uint64) error {
	var stream bus.StreamState
	err := w.persist(ctx, "look", func(ctx context.Context) (err error) {
		stream, err = w.look(ctx)
		return err
	})
	if err != nil || stream.Messages == 0 || stream.First > last {
		return err
	}
	err = w.Source.Tail(ctx, w.Stream, first, w.Subjects, func(m bus.Message) error {
		if m.Sequence <= last {
			w.add(m)
		}
		if m.Sequence >= last {
			return errWhole
		}
		return nil
	})
	if errors.Is(err, errWhole) {
		return nil
	}
	return err
}

// land cuts the messages into blocks and inserts them. What was read when ctx ends and is in no intent is read again next time.
func (w *Writer) land(ctx context.Context, messages <-chan bus.Message) error {
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	due := time.NewTimer(w.FlushInterval)
	defer due.Stop()
	due.Stop()
	for {
		full := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-looks.C:
			if err := w.glance(ctx); err != nil {
				return err
			}
		case <-due.C:
			full = true
		case m := <-messages:
			if w.block.endsBefore(m) {
				if err := w.flush(ctx); err != nil {
					return err
				}
			}
			if w.block.empty() {
				due.Reset(w.FlushInterval)
			}
			w.add(m)
			full = w.block.rows >= w.FlushRows || w.block.bytes >= maxBytes
		}
		if full {
			due.Stop()
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
	}
}

func (w *Writer) add(m bus.Message) {
	rows, err := w.Contents.Add(m)
	w.block.add(m, rows, err)
}

// flush makes the block an intent and inserts it.
func (w *Writer) flush(ctx context.Context) error {
	intent := schemas.InsertIntent{
		Partition: w.Name, Incarnation: w.incarnation, First: w.block.first, Last: w.block.last, Rows: w.block.rows,
		State: before, Owner: w.Owner, At: time.Now().UTC(),
	}
	err := w.persist(ctx, "write intent", func(ctx context.Context) error {
		// A block of another stream than the token says must never get as far as ClickHouse.
		if _, err := w.look(ctx); err != nil {
			return err
		}
		return w.ledger.write(ctx, intent)
	})
	if err != nil {
		return err
	}
	return w.insert(ctx, intent, false)
}

// insert lands the block under the intent's token and marks the intent as done; tried says that somebody may have done so before.
func (w *Writer) insert(ctx context.Context, intent schemas.InsertIntent, tried bool) error {
	err := w.persist(ctx, "insert", func(ctx context.Context) error {
		if tried {
			// Time has passed, and with it maybe the partition to another recorder.
			if err := w.ledger.held(ctx); err != nil {
				return err
			}
		}
		token := intent.Token()
		if w.Unsafe.Token {
			token += ":" + rand.Text()
		}
		again := tried && !w.Unsafe.Look
		tried = true
		return w.send(ctx, token, again)
	})
	if err != nil {
		return err
	}
	w.Metrics.landed(w.Name, &w.block, w.Contents.Tables())
	w.landed = intent.Last
	w.block.reset(w.Contents)
	intent.State, intent.Owner, intent.At = after, w.Owner, time.Now().UTC()
	return w.persist(ctx, "write intent", func(ctx context.Context) error { return w.ledger.write(ctx, intent) })
}

// send sends what could not be read to the dead letters and the rows to their tables. All of it can be sent again.
func (w *Writer) send(ctx context.Context, token string, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	for _, r := range w.block.refused {
		w.Log.Warn().Err(r.reason).Uint64("sequence", r.message.Sequence).Str("subject", r.message.Subject).Msg("message rejected")
		if err := w.Bus.Reject(ctx, r.message, r.reason); err != nil {
			return err
		}
	}
	for _, t := range w.Contents.Tables() {
		if t.Count == 0 {
			continue
		}
		if again {
			in, err := w.in(ctx, t, token)
			if err != nil {
				return err
			}
			if in {
				w.Metrics.found.WithLabelValues(w.Name).Inc()
				continue
			}
		}
		begin := time.Now()
		if err := w.Insert(ctx, clickhouse.Block{Table: t.Table, Token: token + t.Part, Columns: t.Columns}); err != nil {
			return err
		}
		w.Metrics.insertSeconds.WithLabelValues(t.Table).Observe(time.Since(begin).Seconds())
		if again {
			if err := w.verify(ctx, t, token); err != nil {
				return err
			}
		}
	}
	return nil
}

// look makes sure that the stream is the one being recorded. The bus would be asked for ever; what takes long is to be told.
func (w *Writer) look(ctx context.Context) (bus.StreamState, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	stream, err := w.Source.State(ctx, w.Stream)
	if err != nil {
		return stream, err
	}
	if stream.Incarnation != w.incarnation {
		return stream, errOtherStream
	}
	return stream, nil
}

// measure is a look that also measures how far behind ClickHouse is.
func (w *Writer) measure(ctx context.Context) error {
	stream, err := w.look(ctx)
	if err != nil {
		return err
	}
	last, err := w.last(ctx, stream)
	if err != nil {
		return err
	}
	w.Metrics.behind(w.Name, last-min(last, max(w.landed, stream.First-1)), w.block.stored)
	return nil
}

// last is the sequence of the partition's newest message.
func (w *Writer) last(ctx context.Context, stream bus.StreamState) (uint64, error) {
	if len(w.Subjects) == 0 || stream.Last == w.landed {
		return stream.Last, nil
	}
	var last uint64
	for _, subject := range w.Subjects {
		m, err := w.Source.Last(ctx, w.Stream, subject)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return 0, err
		}
		last = max(last, m.Sequence)
	}
	return last, nil
}

// glance is a measurement between blocks: it changes what readiness says, and ends the reading of a stream that is another one by now.
func (w *Writer) glance(ctx context.Context) error {
	err := w.measure(ctx)
	switch {
	case err == nil:
		w.trouble.clear(w.Log)
	case errors.Is(err, errOtherStream), ctx.Err() != nil:
		return err
	default:
		w.trouble.set(w.Log, err)
	}
	return nil
}

// persist tries until it works, ctx ends, or trying has no sense any more. A try that is under way when ctx ends has the grace to end well.
// Every error is tried again, known or not: the only other way would be to lose the block.
func (w *Writer) persist(ctx context.Context, what string, try func(context.Context) error) error {
	lingering, cancel := linger(ctx, w.Grace)
	defer cancel()
	backoff := retry.WithCappedDuration(2*time.Second, retry.WithJitterPercent(20, retry.NewExponential(50*time.Millisecond)))
	return retry.Do(context.WithoutCancel(ctx), backoff, func(context.Context) error {
		if !w.held() {
			return errNotHeld
		}
		err := try(lingering)
		switch {
		case err == nil:
			w.trouble.clear(w.Log)
			return nil
		case errors.Is(err, ErrOvertaken), errors.Is(err, errOtherStream):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		w.trouble.set(w.Log, fmt.Errorf("%s: %w", what, err))
		w.Metrics.retries.WithLabelValues(w.Name).Inc()
		// Nobody else measures meanwhile; a bus that is away must not keep the next try waiting.
		brief, done := context.WithTimeout(lingering, time.Second)
		_ = w.measure(brief)
		done()
		return retry.RetryableError(err)
	})
}

// linger returns a context that ends a grace after ctx.
func linger(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-lingering.Done():
		}
	})
	return lingering, func() { stop(); cancel() }
}
