package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/git"
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
		done := b.Begin()
		outcome, err := b.build(ctx, j, id, src, refused)
		done()
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
	switch {
	case j.Refused != nil:
		return nil, j.Refused.Error(), j.Refused, nil
	case j.Commit != "":
		return nil, fmt.Sprintf("commit %s of %s, folder %s", j.Commit, j.App.Source.Git.Repository, j.App.Source.Context), nil, nil
	}
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
		return state.Delivery == j.Identity, nil
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
	outcome := schemas.BuildFinished{Build: id, App: j.App.Name, Variant: j.Variant.Name, Trigger: j.Trigger, Commit: j.Commit, StartedAt: time.Now().UTC()}
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
	var commit *buildkit.Commit
	if j.Commit != "" {
		if commit, err = b.commit(ctx, j); err != nil {
			return err
		}
	}
	image := home.Name() + ":" + Tag(j.Variant.Name, outcome.Build)
	digest, record, err := b.Engine.Build(ctx, buildkit.Request{
		Context: src, Commit: commit, Target: j.Variant.Target, Args: Args(j.App, j.Variant),
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

// commit is the job's commit, its Dockerfile read: one that is not built is a failure.
func (b *Builder) commit(ctx context.Context, j Job) (*buildkit.Commit, error) {
	c := &buildkit.Commit{
		Repository: j.App.Source.Git.Repository, Hash: j.Commit, Token: j.Token,
		Folder: j.App.Source.Context, Dockerfile: cmp.Or(j.App.Source.Dockerfile, "Dockerfile"),
	}
	text, err := b.Engine.Dockerfile(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := source.Refuse(c.Dockerfile, text, Args(j.App, j.Variant)); err != nil {
		return nil, buildkit.Failure{Message: err.Error()}
	}
	return c, nil
}

func (b *Builder) reachable(ctx context.Context, j Job) error {
	problem := oci.Ping(ctx, j.App.Images.Registry)
	if j.Commit != "" {
		if _, err := git.Head(ctx, j.App.Source.Git.Repository, j.App.Source.Git.Branch, j.Token); !errors.Is(err, git.ErrNotFound) {
			problem = errors.Join(problem, err)
		}
	}
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
	state.Last, state.Delivery, state.Announced = outcome, j.Identity, false
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
