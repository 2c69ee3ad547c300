package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/schemas"
)

// Headers of dead letters, and of what was replayed from one.
const (
	headerOrigin = "Leeward-Origin"
	// headerDomain is the JetStream domain of the origin; the hub's has none.
	headerDomain = "Leeward-Domain"
	headerReason = "Leeward-Reason"
	// headerStored is when the message was stored first; a replayed one is as old as that.
	headerStored = "Leeward-Stored"
	// headerReplayed names the letter that a message was replayed from.
	headerReplayed = "Leeward-Replayed"
)

// Letter is a message that somebody could not read, as the dead letters keep it.
type Letter struct {
	// Sequence names the letter.
	Sequence uint64
	// User could not read it.
	User string
	// Domain, Stream, Origin and Subject are where the message was: its JetStream domain, empty for the hub's, its stream, its sequence there, its subject.
	Domain  string
	Stream  string
	Origin  uint64
	Subject string
	Reason  string
	// Stored is when the message was stored first, or was rejected, where that is not known; Rejected is when it became a letter.
	Stored, Rejected time.Time
	// Replayed names the letter that the message had been replayed from when it was rejected again, empty for none.
	Replayed string
	// Header is what the message came with.
	Header nats.Header
	// Size is the length of the message.
	Size int
	// Data is the message; a list has none.
	Data []byte
}

// LetterFilter narrows a list of letters; what is empty does not.
type LetterFilter struct{ Stream, User string }

func (f LetterFilter) subject() string {
	token := func(s string) string {
		if s == "" {
			return "*"
		}
		return schemas.Token(s)
	}
	return schemas.LetterSubject + "." + token(f.User) + "." + token(f.Stream)
}

// reject stores what could not be read, with where it came from and why.
func (b *Bus) reject(ctx context.Context, m jetstream.Msg, reason error) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	return b.Reject(ctx, Message{Stream: meta.Stream, Sequence: meta.Sequence.Stream, Subject: m.Subject(), Header: m.Headers(), Data: m.Data(), Stored: meta.Timestamp}, reason)
}

// Reject stores a message that could not be read in the dead letters, once per origin and reader, with the headers it came with.
func (b *Bus) Reject(ctx context.Context, m Message, reason error) error {
	origin := m.Stream + ":" + strconv.FormatUint(m.Sequence, 10)
	letter := nats.NewMsg(schemas.LetterSubject + "." + schemas.Token(b.user) + "." + m.Stream)
	letter.Data = m.Data
	for name, values := range m.Header {
		if !busHeader(name) {
			letter.Header[name] = values
		}
	}
	letter.Header.Set(headerOrigin, origin+":"+m.Subject)
	letter.Header.Set(headerReason, strings.ReplaceAll(strings.ReplaceAll(reason.Error(), "\r", " "), "\n", "; "))
	if !m.Stored.IsZero() {
		letter.Header.Set(headerStored, firstStored(m.Header, m.Stored).UTC().Format(time.RFC3339Nano))
	}
	// Two domains may have a stream of one name, and both a message of one sequence.
	if m.Domain != "" {
		letter.Header.Set(headerDomain, m.Domain)
		origin = m.Domain + ":" + origin
	}
	if err := b.publish(ctx, b.js, letter, "letter:"+b.user+":"+origin); err != nil {
		return err
	}
	b.metrics.letters.Inc()
	return nil
}

// busHeader says whether a header is the server's, which would act on it again.
func busHeader(name string) bool { return strings.HasPrefix(strings.ToLower(name), "nats-") }

// firstStored is when a message was stored first: a letter that is replayed weeks later is no younger for that. A header can only make a message older.
func firstStored(h nats.Header, stored time.Time) time.Time {
	if first, err := time.Parse(time.RFC3339Nano, h.Get(headerStored)); err == nil && first.Before(stored) {
		return first
	}
	return stored
}

// letterOf reads a letter from what the stream holds; one without an origin is shown as far as it goes.
func letterOf(sequence uint64, subject string, h nats.Header, rejected time.Time) Letter {
	l := Letter{Sequence: sequence, Domain: h.Get(headerDomain), Reason: h.Get(headerReason), Replayed: h.Get(headerReplayed), Rejected: rejected.UTC(), Stored: firstStored(h, rejected).UTC(), Header: nats.Header{}}
	if user, _, ok := strings.Cut(strings.TrimPrefix(subject, schemas.LetterSubject+"."), "."); ok {
		l.User = user
	}
	if parts := strings.SplitN(h.Get(headerOrigin), ":", 3); len(parts) == 3 {
		l.Stream, l.Subject = parts[0], parts[2]
		l.Origin, _ = strconv.ParseUint(parts[1], 10, 64)
	}
	for name, values := range h {
		if !busHeader(name) && !slices.Contains([]string{headerOrigin, headerDomain, headerReason, headerStored, headerReplayed}, name) {
			l.Header[name] = values
		}
	}
	return l
}

// Letters lists the newest dead letters, newest first, without their data.
func (b *Bus) Letters(ctx context.Context, f LetterFilter, limit int) ([]Letter, error) {
	var letters []Letter
	err := again(ctx, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, schemas.Letters)
		if err != nil {
			return err
		}
		letters = nil
		state := s.CachedInfo().State
		// The newest are at the end, and a filter may let few of them through: look at more and more, each letter once.
		first, before, span := max(state.FirstSeq, 1), state.LastSeq+1, uint64(max(limit, 100))
		for before > first && len(letters) < limit {
			from := max(first, before-min(before, span))
			older, err := b.lettersBetween(ctx, s, f, from, before)
			if err != nil {
				return err
			}
			letters = append(letters, older...)
			before, span = from, span*8
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list letters: %w", err)
	}
	return letters[:min(limit, len(letters))], nil
}

// lettersBetween reads the headers of the letters from a sequence to before another, and returns them newest first.
func (b *Bus) lettersBetween(ctx context.Context, s jetstream.Stream, f LetterFilter, from, before uint64) ([]Letter, error) {
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{f.subject()}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, HeadersOnly: true,
		NamePrefix: "letters-" + b.user + "-" + nats.NewInbox()[7:], MaxResetAttempts: 1,
	})
	if err != nil {
		return nil, err
	}
	left := consumer.CachedInfo().NumPending
	if left == 0 {
		return nil, nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(256))
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	var letters []Letter
	for ; left > 0; left-- {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		if meta.Sequence.Stream >= before {
			break
		}
		l := letterOf(meta.Sequence.Stream, m.Subject(), m.Headers(), meta.Timestamp)
		l.Size, _ = strconv.Atoi(m.Headers().Get(nats.MsgSize))
		letters = append(letters, l)
	}
	slices.Reverse(letters)
	return letters, nil
}

// Letter returns a dead letter with its data; ErrNotFound when there is none of that sequence, or no more.
func (b *Bus) Letter(ctx context.Context, sequence uint64) (Letter, error) {
	var l Letter
	err := again(ctx, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, schemas.Letters)
		if err != nil {
			return err
		}
		m, err := s.GetMsg(ctx, sequence)
		if err != nil {
			return err
		}
		l = letterOf(m.Sequence, m.Subject, m.Header, m.Time)
		l.Data, l.Size = m.Data, len(m.Data)
		return nil
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Letter{}, fmt.Errorf("letter %d: %w", sequence, ErrNotFound)
	}
	if err != nil {
		return Letter{}, fmt.Errorf("read letter %d: %w", sequence, err)
	}
	return l, nil
}

// ErrNotReplayable says that a letter's origin is no stream that takes letters back.
var ErrNotReplayable = errors.New("its stream takes nothing on its subject")

// Replay puts a letter's message back into its stream, under its own subject and as old as it is, and then drops the letter.
// The message id is the letter's: as long as the stream remembers ids, replaying it twice stores it once.
func (b *Bus) Replay(ctx context.Context, l Letter) error {
	subject, ok := schemas.Replay(l.Stream, l.Subject)
	if !ok {
		return fmt.Errorf("replay letter %d to %s on %s: %w", l.Sequence, l.Stream, l.Subject, ErrNotReplayable)
	}
	state, err := b.State(ctx, schemas.Letters)
	if err != nil {
		return err
	}
	m := nats.NewMsg(subject)
	m.Data = l.Data
	for name, values := range l.Header {
		m.Header[name] = values
	}
	name := strconv.FormatUint(l.Sequence, 10)
	m.Header.Set(headerStored, l.Stored.UTC().Format(time.RFC3339Nano))
	m.Header.Set(headerReplayed, schemas.Letters+":"+name)
	if err := b.publish(ctx, b.js, m, "dlq:"+state.Incarnation+":"+name); err != nil {
		return err
	}
	return b.DropLetter(ctx, l.Sequence)
}

// DropLetter deletes a dead letter; one that is gone already is dropped.
func (b *Bus) DropLetter(ctx context.Context, sequence uint64) error {
	err := again(ctx, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, schemas.Letters)
		if err != nil {
			return err
		}
		err = s.DeleteMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
			if _, gone := s.GetMsg(ctx, sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
				return nil
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("drop letter %d: %w", sequence, err)
	}
	return nil
}
