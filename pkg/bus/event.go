package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/schemas"
)

// Headers of control events: CloudEvents in binary mode, and the trace they belong to.
const (
	headerTrace = "traceparent"
)

type traceKey struct{}

// Publish sends an event and waits until it is stored. It tries again until ctx ends; the event's identity makes a second copy harmless.
func Publish[E schemas.Event](ctx context.Context, b *Bus, topic schemas.Topic[E], event E) error {
	subject, data, err := topic.Encode(event)
	if err != nil {
		return err
	}
	m := nats.NewMsg(subject)
	m.Data = data
	m.Header.Set("ce-specversion", "1.0")
	m.Header.Set("ce-id", event.Identity())
	m.Header.Set("ce-source", "leeward/"+b.user)
	m.Header.Set("ce-type", topic.Contract().Name)
	m.Header.Set("ce-time", time.Now().UTC().Format(time.RFC3339Nano))
	m.Header.Set("content-type", "application/json")
	m.Header.Set(headerTrace, trace(ctx))
	return b.publish(ctx, b.js, m, event.Identity())
}

// PublishRaw stores a message that is no control event, in the local domain: a batch of samples or an evaluation.
func (b *Bus) PublishRaw(ctx context.Context, subject, id string, data []byte) error {
	m := nats.NewMsg(subject)
	m.Data = data
	return b.publish(ctx, b.local, m, id)
}

func (b *Bus) publish(ctx context.Context, js jetstream.JetStream, m *nats.Msg, id string) error {
	err := again(ctx, func(ctx context.Context) error {
		_, err := js.PublishMsg(ctx, m, jetstream.WithMsgID(id))
		return err
	})
	if errors.Is(err, nats.ErrMaxPayload) {
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", m.Subject, err)
	}
	return nil
}

// ErrTooLarge says that an event is larger than the bus takes: sending it again would not help.
var ErrTooLarge = errors.New("too large for the bus")

// trace returns the context's trace, or starts one.
func trace(ctx context.Context) string {
	if t, ok := ctx.Value(traceKey{}).(string); ok && t != "" {
		return t
	}
	var id [24]byte
	_, _ = rand.Read(id[:])
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}

// WithTrace makes what is published under ctx part of a trace; an empty one starts anew.
func WithTrace(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// Consume calls handle for every event of a topic, in order, through the service's durable consumer, until ctx ends.
// The event is acknowledged when handle returns nil and offered again when it does not. What can not be read goes to the dead letters; what is too old is logged and passed over.
// instance tells readers apart that each get every event, such as vantages; it is empty otherwise.
func Consume[E schemas.Event](ctx context.Context, b *Bus, topic schemas.Topic[E], instance string, handle func(context.Context, E) error) error {
	return read(ctx, b, topic, instance, func(m jetstream.Msg) { deliver(ctx, b, topic, m, handle) })
}

// ConsumeTogether is Consume for handlers that wait for something to come of an event: every event is handled as soon as it arrives, beside those still under way.
// An event whose handler was cut short is offered again, to whoever reads then.
func ConsumeTogether[E schemas.Event](ctx context.Context, b *Bus, topic schemas.Topic[E], instance string, handle func(context.Context, E) error) error {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	return read(ctx, b, topic, instance, func(m jetstream.Msg) {
		underWay.Go(func() { deliver(ctx, b, topic, m, handle) })
	})
}

func read[E schemas.Event](ctx context.Context, b *Bus, topic schemas.Topic[E], instance string, each func(jetstream.Msg)) error {
	contract := topic.Contract()
	durable := contract.Durable(b.service, instance)
	var troubles seldom
	for {
		err := b.consume(ctx, contract.Stream, durable, each)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if troubles.tell() {
			b.log.Warn().Err(err).Str("consumer", durable).Msg("reader interrupted")
		}
		if !pause(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// consume reads until something breaks.
func (b *Bus) consume(ctx context.Context, stream, durable string, each func(jetstream.Msg)) error {
	one, cancel := context.WithTimeout(ctx, 5*time.Second)
	consumer, err := b.js.Consumer(one, stream, durable)
	cancel()
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(8), jetstream.PullHeartbeat(2*time.Second), jetstream.PullExpiry(10*time.Second))
	if err != nil {
		return err
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		each(m)
	}
}

func deliver[E schemas.Event](ctx context.Context, b *Bus, topic schemas.Topic[E], m jetstream.Msg, handle func(context.Context, E) error) {
	log := b.log.With().Str("subject", m.Subject()).Logger()
	event, err := topic.Decode(m.Subject(), m.Data())
	if err != nil {
		log.Warn().Err(err).Msg("event rejected")
		if err := b.reject(ctx, m, err); err != nil {
			log.Warn().Err(err).Msg("dead letter not stored")
			_ = m.NakWithDelay(time.Second)
			return
		}
		_ = m.Term()
		return
	}
	if meta, err := m.Metadata(); err == nil && time.Since(firstStored(m.Headers(), meta.Timestamp)) > topic.Contract().ActWithin {
		log.Warn().Time("stored", firstStored(m.Headers(), meta.Timestamp)).Dur("act_within", topic.Contract().ActWithin).Msg("event expired")
		b.metrics.expired.Inc()
		_ = m.Ack()
		return
	}
	working, done := context.WithCancel(WithTrace(ctx, m.Headers().Get(headerTrace)))
	defer done()
	go keepWorking(working, m)
	if err := handle(working, event); err != nil {
		if ctx.Err() == nil {
			log.Warn().Err(err).Msg("event not handled")
		}
		_ = m.NakWithDelay(time.Second)
		return
	}
	ack, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := m.DoubleAck(ack); err != nil {
		log.Warn().Err(err).Msg("acknowledgement lost")
	}
}

// ackWait is how long the server waits for an acknowledgement or a sign of life before it offers an event again.
const ackWait = 10 * time.Second

// keepWorking tells the server that a long handler is still at it.
func keepWorking(ctx context.Context, m jetstream.Msg) {
	for pause(ctx, ackWait/3) {
		_ = m.InProgress()
	}
}

// ErrNotFound says that a key or a stream is not there.
var ErrNotFound = errors.New("not found")

// ErrConflict says that a key was written by someone else since it was read.
var ErrConflict = errors.New("written by someone else in the meantime")
