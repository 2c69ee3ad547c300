package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/schemas"
)

// Entry is a value with the revision that guards its next write.
type Entry[V any] struct {
	Value    V
	Revision uint64
}

// Condition guards a write.
type Condition struct {
	// TTL makes the key expire; 0 keeps it.
	TTL time.Duration
	// Revision is what the key's last revision must be: 0 for a key that must not exist. Nil writes whatever is there.
	Revision *uint64
}

// At is the condition that a key still has a revision.
func At(revision uint64) *uint64 { return &revision }

// Put writes a value and returns its revision; ErrConflict when the condition does not hold.
// A write whose answer was lost is not tried again under a condition: the caller reads and decides.
func Put[V schemas.Value](ctx context.Context, b *Bus, bucket schemas.Bucket[V], value V, c Condition) (uint64, error) {
	key, data, err := bucket.Encode(value)
	if err != nil {
		return 0, err
	}
	// Publishing by hand is the only way to give a rewritten key a time to live: an update through the key-value interface drops it.
	m := nats.NewMsg(b.keySubject(bucket.Name(), key))
	m.Data = data
	var options []jetstream.PublishOpt
	if c.TTL > 0 {
		options = append(options, jetstream.WithMsgTTL(c.TTL))
	}
	if c.Revision != nil {
		options = append(options, jetstream.WithExpectLastSequencePerSubject(*c.Revision))
	}
	var ack *jetstream.PubAck
	try := func(ctx context.Context) error {
		ack, err = b.js.PublishMsg(ctx, m, options...)
		return err
	}
	if c.Revision != nil {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err = try(one)
		cancel()
	} else {
		err = again(ctx, try)
	}
	if wrongSequence(err) {
		return 0, fmt.Errorf("%s/%s: %w", bucket.Name(), key, ErrConflict)
	}
	if err != nil {
		return 0, fmt.Errorf("write %s/%s: %w", bucket.Name(), key, err)
	}
	return ack.Sequence, nil
}

// keySubject is where a key is written, from whatever domain.
func (b *Bus) keySubject(bucket, key string) string {
	subject := "$KV." + bucket + "." + key
	if b.hub == "" {
		return subject
	}
	return schemas.InDomain(b.hub, subject)
}

func wrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == 10164)
}

// Get reads a value by the tokens of its key; ErrNotFound when there is none, with the revision of what was deleted or expired there, which guards its next write.
func Get[V schemas.Value](ctx context.Context, b *Bus, bucket schemas.Bucket[V], tokens ...string) (Entry[V], error) {
	key := schemas.KeyOf(tokens...)
	var raw *jetstream.RawStreamMsg
	err := again(ctx, func(ctx context.Context) error {
		stream, err := b.js.Stream(ctx, schemas.BucketStream(bucket.Name()))
		if err != nil {
			return err
		}
		raw, err = stream.GetLastMsgForSubject(ctx, "$KV."+bucket.Name()+"."+key)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Entry[V]{}, fmt.Errorf("%s/%s: %w", bucket.Name(), key, ErrNotFound)
	}
	if err != nil {
		return Entry[V]{}, fmt.Errorf("read %s/%s: %w", bucket.Name(), key, err)
	}
	if raw.Header.Get("KV-Operation") != "" || raw.Header.Get("Nats-Marker-Reason") != "" {
		return Entry[V]{Revision: raw.Sequence}, fmt.Errorf("%s/%s: %w", bucket.Name(), key, ErrNotFound)
	}
	value, err := bucket.Decode(key, raw.Data)
	return Entry[V]{value, raw.Sequence}, err
}

// Delete removes a key under the condition that it still has the revision.
func Delete[V schemas.Value](ctx context.Context, b *Bus, bucket schemas.Bucket[V], revision uint64, tokens ...string) error {
	key := schemas.KeyOf(tokens...)
	m := nats.NewMsg(b.keySubject(bucket.Name(), key))
	m.Header.Set("KV-Operation", "DEL")
	err := again(ctx, func(ctx context.Context) error {
		_, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(revision))
		return err
	})
	if wrongSequence(err) {
		return fmt.Errorf("%s/%s: %w", bucket.Name(), key, ErrConflict)
	}
	return err
}
