package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/leeward-failover/leeward/schemas"
)

// Create makes every stream, bucket and durable consumer of the contracts, or changes them to fit; what exists and fits stays. Only the setup user may.
// Every vantage gets a durable consumer of its own for what probers read.
func (b *Bus) Create(ctx context.Context, vantages []string) error {
	for _, s := range schemas.Streams() {
		if err := b.createStream(ctx, b.js, s); err != nil {
			return err
		}
	}
	for _, k := range schemas.Buckets() {
		if err := again(ctx, func(ctx context.Context) error { return b.createBucket(ctx, k) }); err != nil {
			return fmt.Errorf("create bucket %s: %w", k.Name, err)
		}
	}
	for _, c := range schemas.Catalog() {
		for _, reader := range c.Readers {
			instances := []string{""}
			if reader == schemas.Prober {
				instances = vantages
			}
			for _, instance := range instances {
				if err := again(ctx, func(ctx context.Context) error { return b.createDurable(ctx, c, reader, instance) }); err != nil {
					return fmt.Errorf("create consumer %s: %w", c.Durable(reader, instance), err)
				}
			}
		}
	}
	return nil
}

// CreateSamples makes the stream of samples, which is all that a region's own domain holds, with an incarnation of its own.
func (d Domain) CreateSamples(ctx context.Context) error {
	for _, s := range schemas.Streams() {
		if s.Name == schemas.Samples {
			return d.bus.createStream(ctx, d.js, s)
		}
	}
	return nil
}

func (b *Bus) createStream(ctx context.Context, js jetstream.JetStream, s schemas.StreamContract) error {
	err := again(ctx, func(ctx context.Context) error { return b.fitStream(ctx, js, s) })
	if err != nil {
		return fmt.Errorf("create stream %s: %w", s.Name, err)
	}
	return nil
}

func (b *Bus) fitStream(ctx context.Context, js jetstream.JetStream, s schemas.StreamContract) error {
	config := jetstream.StreamConfig{
		Name: s.Name, Description: s.Doc, Subjects: slices.Concat(s.Subjects, s.Replays()), Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardNew, MaxAge: s.MaxAge, MaxBytes: s.MaxBytes, Duplicates: s.Duplicates, AllowDirect: true, Replicas: b.replicas,
		Metadata: map[string]string{metadataIncarnation: uuid.NewString()},
	}
	if len(s.Replays()) > 0 {
		config.SubjectTransform = &jetstream.SubjectTransformConfig{Source: s.ReplayDoor() + ">", Destination: schemas.SubjectRoot + ">"}
	}
	existing, err := js.Stream(ctx, s.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, config)
		return err
	}
	if err != nil {
		return err
	}
	config.Metadata = existing.CachedInfo().Config.Metadata
	if config.Replicas == 0 {
		config.Replicas = existing.CachedInfo().Config.Replicas
	}
	_, err = js.UpdateStream(ctx, config)
	return err
}

func (b *Bus) createBucket(ctx context.Context, k schemas.BucketContract) error {
	config := jetstream.KeyValueConfig{Bucket: k.Name, Description: k.Doc, Storage: jetstream.FileStorage, History: 1, Replicas: b.replicas}
	if config.Replicas == 0 {
		existing, err := b.js.Stream(ctx, schemas.BucketStream(k.Name))
		if err == nil {
			config.Replicas = existing.CachedInfo().Config.Replicas
		} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
	}
	if k.Expires {
		config.LimitMarkerTTL = time.Minute
	}
	_, err := b.js.CreateOrUpdateKeyValue(ctx, config)
	return err
}

// maxPending is how many events a reader may have open at once. An alert is open until its incident ends: a storm of alerts about one app must not keep those of the others waiting.
const maxPending = 10_000

func (b *Bus) createDurable(ctx context.Context, c schemas.Contract, reader schemas.Service, instance string) error {
	name := c.Durable(reader, instance)
	stream, err := b.js.Stream(ctx, c.Stream)
	if err != nil {
		return err
	}
	if consumer, err := stream.Consumer(ctx, name); err == nil {
		if is := consumer.CachedInfo().Config; is.FilterSubject == c.Filter() && is.MaxAckPending == maxPending {
			return nil
		}
	}
	policy := jetstream.DeliverAllPolicy
	if c.Deliver == schemas.DeliverNew {
		policy = jetstream.DeliverNewPolicy
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: name, Description: c.Doc, FilterSubject: c.Filter(), DeliverPolicy: policy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: maxPending,
	})
	return err
}
