package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Message is a stored message as those see it who read a whole stream.
type Message struct {
	// Domain is the stream's, empty for that of the bus.
	Domain   string
	Stream   string
	Sequence uint64
	Subject  string
	Header   nats.Header
	Data     []byte
	// Stored is when the server stored it.
	Stored time.Time
}

// StreamState is what a stream holds.
type StreamState struct {
	// Incarnation is the uuid the stream was created with: a stream that was wiped and made again is another one.
	Incarnation string
	First, Last uint64
	Messages    uint64
	Bytes       uint64
	// Replicas is how many copies of it the bus keeps.
	Replicas int
}

// metadataIncarnation is the key of a stream's uuid in its metadata.
const metadataIncarnation = "leeward-incarnation"

// Domain is one JetStream of the bus: the hub's, or that of a region's leaf. Streams of one name in two domains are two streams.
type Domain struct {
	bus  *Bus
	js   jetstream.JetStream
	name string
}

// In returns a domain by its name; none is the domain the bus was connected with.
func (b *Bus) In(domain string) (Domain, error) {
	if domain == "" {
		return Domain{b, b.local, ""}, nil
	}
	js, err := b.domain(domain)
	return Domain{b, js, domain}, err
}

// State returns what a stream holds now.
func (b *Bus) State(ctx context.Context, stream string) (StreamState, error) {
	return Domain{b, b.local, ""}.State(ctx, stream)
}

// State returns what a stream of the domain holds now.
func (d Domain) State(ctx context.Context, stream string) (StreamState, error) {
	var info *jetstream.StreamInfo
	err := ask(ctx, func(ctx context.Context) error {
		s, err := d.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		info = s.CachedInfo()
		return nil
	})
	if err != nil {
		return StreamState{}, fmt.Errorf("stream %s: %w", stream, err)
	}
	return StreamState{
		Incarnation: info.Config.Metadata[metadataIncarnation],
		First:       info.State.FirstSeq, Last: info.State.LastSeq, Messages: info.State.Msgs, Bytes: info.State.Bytes, Replicas: info.Config.Replicas,
	}, nil
}

// Last returns the newest message a stream holds on a subject; ErrNotFound when there is none.
func (b *Bus) Last(ctx context.Context, stream, subject string) (Message, error) {
	return Domain{b, b.js, ""}.Last(ctx, stream, subject)
}

// Last is Bus.Last of a stream of the domain; the subject may have wildcards.
func (d Domain) Last(ctx context.Context, stream, subject string) (Message, error) {
	var raw *jetstream.RawStreamMsg
	err := ask(ctx, func(ctx context.Context) error {
		s, err := d.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		raw, err = s.GetLastMsgForSubject(ctx, subject)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, fmt.Errorf("%s on %s: %w", stream, subject, ErrNotFound)
	}
	if err != nil {
		return Message{}, fmt.Errorf("read %s on %s: %w", stream, subject, err)
	}
	return Message{Domain: d.name, Stream: stream, Sequence: raw.Sequence, Subject: raw.Subject, Header: raw.Header, Data: raw.Data, Stored: raw.Time}, nil
}

// Tail calls each for every message of a stream from a sequence on, in order and without a gap that the stream does not have, until ctx ends or each fails.
// subjects narrows it; none means all. It survives the loss of the bus; a slow each slows the reading.
func (b *Bus) Tail(ctx context.Context, stream string, from uint64, subjects []string, each func(Message) error) error {
	return Domain{b, b.local, ""}.Tail(ctx, stream, from, subjects, each)
}

// Tail is Bus.Tail of a stream of the domain.
func (d Domain) Tail(ctx context.Context, stream string, from uint64, subjects []string, each func(Message) error) error {
	next := max(from, 1)
	var troubles seldom
	for {
		err := d.tail(ctx, stream, next, subjects, func(m Message) error {
			if m.Sequence < next {
				return nil
			}
			if err := each(m); err != nil {
				return stopTail{err}
			}
			next, troubles = m.Sequence+1, seldom{}
			return nil
		})
		var stop stopTail
		if errors.As(err, &stop) {
			return stop.error
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if troubles.tell() {
			d.bus.log.Warn().Err(err).Str("domain", d.name).Str("stream", stream).Msg("stream reading interrupted")
		}
		if !pause(ctx, 500*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// seldom says of which tries in vain to tell: a region can be cut off for hours, or the bus be away.
type seldom struct{ told time.Time }

// tell is true for the first, and then for one a minute.
func (s *seldom) tell() bool {
	if time.Since(s.told) <= time.Minute {
		return false
	}
	s.told = time.Now()
	return true
}

const (
	// pullExpiry is how long one request for messages waits at the server; the client makes the next in time.
	pullExpiry = 10 * time.Second
	// heartbeat is how often the server says that there is nothing to send. A reader that misses two begins anew.
	heartbeat = time.Second
)

// stopTail carries the reader's own error out of a tail, past what is tried again.
type stopTail struct{ error }

// errGap says that messages are missing between two that came.
var errGap = errors.New("messages were lost on the way")

// tail reads until something breaks. It is the client library's ordered consumer but for one thing: that one waits ten seconds for the answer to each question it asks
// on its own, and a question that is lost with a link delays the reading for as long, however soon the link is back.
func (d Domain) tail(ctx context.Context, stream string, from uint64, subjects []string, each func(Message) error) error {
	reconnected := d.bus.connection()
	one, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	consumer, err := d.js.CreateConsumer(one, stream, jetstream.ConsumerConfig{
		Name: "tail-" + d.bus.user + "-" + nats.NewInbox()[7:], FilterSubjects: subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		AckPolicy: jetstream.AckNonePolicy, MaxDeliver: 1, MemoryStorage: true, Replicas: 1, InactiveThreshold: 3 * pullExpiry,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(256), jetstream.PullHeartbeat(heartbeat), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return err
	}
	defer messages.Stop()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-reconnected:
			stop()
		case <-reading.Done():
		}
	}()
	for delivered := uint64(1); ; delivered++ {
		m, err := messages.Next(jetstream.NextContext(reading))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != delivered {
			return errGap
		}
		if err := each(Message{Domain: d.name, Stream: stream, Sequence: meta.Sequence.Stream, Subject: m.Subject(), Header: m.Headers(), Data: m.Data(), Stored: meta.Timestamp}); err != nil {
			return err
		}
	}
}
