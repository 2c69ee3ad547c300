package build

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/buildkit"
	"github.com/leeward-failover/leeward/services/builder/internal/source"
)

// variant brings one job to its end: built before, succeeded or failed. An error means that it was not judged.
func (b *Builder) variant(ctx context.Context, j Job) error {
	src, content, refused, err := b.open(ctx, j)
	if err != nil {
		return err
	}
	if src != nil {
		defer src.Close()
	}
	id := j.ID(content)
	state, err := b.state(ctx, j)
	if err != nil {
		return err
	}
	if done, err := b.done(ctx, j, id, state); done || err != nil {
		return err
	}
	if state.Last.Build != id || state.Announced {
		b.Metrics.began(j)
		outcome, err := b.build(ctx, j, id, src, refused)
		b.Metrics.Running.WithLabelValues(j.App.Name, j.Variant.Name).Dec()
		if err != nil {
			return err
		}
		state = b.conclude(j, state, outcome)
	}
	return b.announce(ctx, state)
}

// open opens and hashes the job's context. One that is refused is a build that fails, and its reason stands for the content.
func (b *Builder) open(ctx context.Context, j Job) (src *source.Context, content string, refused, err error) {
	src, refused = source.Open(b.Root, j.App.Source.Context, j.App.Source.Dockerfile, Args(j.App, j.Variant))
	if refused != nil {
		return nil, refused.Error(), refused, nil
	}
	content, err = src.Hash(ctx)
	if err != nil {
		src.Close()
		return nil, "", nil, err
	}
	return src, content, nil, nil
}

func (b *Builder) state(ctx context.Context, j Job) (schemas.BuildState, error) {
	entry, err := bus.Get(ctx, b.Bus, schemas.BuildBucket, j.App.Name, j.Variant.Name)
	if errors.Is(err, bus.ErrNotFound) {
		return schemas.BuildState{App: j.App.Name, Variant: j.Variant.Name}, nil
	}
	return entry.Value, err
}

// done says whether nothing is left to do: the same build succeeded and its image is still at home, or it failed for the same push.
func (b *Builder) done(ctx context.Context, j Job, id string, state schemas.BuildState) (bool, error) {
	if state.Last.Build == id && !state.Announced {
		return false, nil
	}
	if state.Last.Build == id && state.Last.Outcome == failed {
		return state.Delivery == j.Push.Identity(), nil
	}
	if state.Wanted.Build != id {
		return false, nil
	}
	home, err := oci.Repository(j.App.Images.Registry, j.App.Images.Repository)
	if err != nil {
		return false, err
	}
	err = oci.Holds(ctx, home, state.Wanted.Digest)
	if errors.Is(err, oci.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

const (
	succeeded = "succeeded"
	failed    = "failed"
)

// build builds and pushes once, and returns the outcome. A failure while a registry or the daemon is away proves nothing and is an error instead.
func (b *Builder) build(ctx context.Context, j Job, id string, src *source.Context, refused error) (schemas.BuildFinished, error) {
	outcome := schemas.BuildFinished{Build: id, App: j.App.Name, Variant: j.Variant.Name, Trigger: j.Push.Digest, StartedAt: time.Now().UTC()}
	err := refused
	if err == nil {
		err = b.push(ctx, j, src, &outcome)
	}
	outcome.At = time.Now().UTC()
	outcome.Seconds = outcome.At.Sub(outcome.StartedAt).Seconds()
	var failure buildkit.Failure
	switch {
	case err == nil:
		outcome.Outcome = succeeded
		return outcome, nil
	case refused != nil:
		outcome.Outcome, outcome.Error = failed, refused.Error()
		return outcome, nil
	case errors.As(err, &failure):
		if away := b.reachable(ctx, j); away != nil {
			return outcome, errors.Join(away, err)
		}
		outcome.Outcome, outcome.Error = failed, failure.Message
		return outcome, nil
	default:
		return outcome, err
	}
}

// push waits for the daemon, builds to the home registry, and fills in what came out.
func (b *Builder) push(ctx context.Context, j Job, src *source.Context, outcome *schemas.BuildFinished) error {
	home, err := oci.Repository(j.App.Images.Registry, j.App.Images.Repository)
	if err != nil {
		return err
	}
	if err := b.Engine.Wait(ctx); err != nil {
		return err
	}
	image := home.Name() + ":" + Tag(j.Variant.Name, outcome.Build)
	digest, record, err := b.Engine.Build(ctx, buildkit.Request{
		Context: src, Target: j.Variant.Target, Args: Args(j.App, j.Variant),
		Pins: j.Pins(), Image: image, Plain: oci.Plain(j.App.Images.Registry),
	})
	outcome.Stages = record.Stages()
	if err != nil {
		return err
	}
	weight, err := oci.Inspect(ctx, home, digest)
	if err != nil {
		return err
	}
	outcome.Digest, outcome.Reference, outcome.SizeBytes = digest, image+"@"+digest, weight.SizeBytes
	for _, l := range weight.Layers {
		outcome.Layers = append(outcome.Layers, schemas.BuildLayer{Digest: l.Digest, SizeBytes: l.SizeBytes})
	}
	return nil
}

func (b *Builder) reachable(ctx context.Context, j Job) error {
	problem := oci.Ping(ctx, j.App.Images.Registry)
	for _, b := range j.Bases {
		problem = errors.Join(problem, oci.Ping(ctx, b.Registry))
	}
	return problem
}

// conclude is the state after a build: a failed one leaves the image that the regions are to hold as it was.
func (b *Builder) conclude(j Job, state schemas.BuildState, outcome schemas.BuildFinished) schemas.BuildState {
	b.Metrics.Builds.WithLabelValues(j.App.Name, j.Variant.Name, outcome.Outcome).Inc()
	b.Metrics.Seconds.WithLabelValues(j.App.Name, j.Variant.Name, outcome.Outcome).Observe(outcome.Seconds)
	event := b.Log.Info()
	if outcome.Outcome == failed {
		event = b.Log.Warn().Str("error", outcome.Error)
	}
	event.Str("app", outcome.App).Str("variant", outcome.Variant).Str("build", outcome.Build).Str("digest", outcome.Digest).
		Float64("seconds", outcome.Seconds).Msg("build " + outcome.Outcome)
	state.Last, state.Delivery, state.Announced = outcome, j.Push.Identity(), false
	if outcome.Outcome == succeeded {
		state.Wanted = outcome
	}
	return state
}

// announce records the outcome, publishes it and records that it was published: whoever dies in between does only what is missing.
func (b *Builder) announce(ctx context.Context, state schemas.BuildState) error {
	if _, err := bus.Put(ctx, b.Bus, schemas.BuildBucket, state, bus.Condition{}); err != nil {
		return err
	}
	if err := bus.Publish(ctx, b.Bus, schemas.BuildFinishedTopic, state.Last); err != nil {
		return err
	}
	state.Announced = true
	if _, err := bus.Put(ctx, b.Bus, schemas.BuildBucket, state, bus.Condition{}); err != nil {
		return fmt.Errorf("build %s was announced: %w", state.Last.Build, err)
	}
	return nil
}
