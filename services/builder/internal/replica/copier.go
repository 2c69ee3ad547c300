package replica

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/rs/zerolog"
	"github.com/sethvargo/go-retry"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
)

// The states of a copy.
const (
	pending  = "pending"
	verified = "verified"
	failed   = "failed"
)

// attempt bounds one try: a link that swallows packets in the middle of a copy must not hold it for ever.
const attempt = 5 * time.Minute

// copier brings one image to one region and keeps it there.
type copier struct {
	*Keeper
	target Target
	// shown is what the bucket holds, and outcome what was last said of this target: the two differ while an older image is shown.
	shown   schemas.ImageState
	outcome string
	tries   int
}

// run copies, verifies and watches until ctx ends. What ends it is only ctx.
func (c *copier) run(ctx context.Context) {
	c.Metrics.pending.Add(1)
	defer func() {
		if c.outcome != verified {
			c.Metrics.pending.Add(-1)
		}
	}()
	c.begin(ctx)
	pause := c.backoff()
	for ctx.Err() == nil {
		if c.outcome != verified {
			if err := c.try(ctx); err != nil {
				delay, _ := pause.Next()
				sleep(ctx, delay)
				continue
			}
		}
		pause, c.tries = c.backoff(), 0
		c.watch(ctx)
	}
}

// begin reads what is shown of the region, and shows that this target is on its way unless an older image that was verified stands there.
func (c *copier) begin(ctx context.Context) {
	entry, err := bus.Get(ctx, c.Bus, schemas.ImageBucket, c.target.App, c.target.Variant, c.target.Region)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		c.interrupted(ctx, err)
	}
	c.shown = entry.Value
	if c.shown.Digest == c.target.Digest && c.shown.Reference == c.reference() {
		if c.shown.Parity != pending {
			c.setOutcome(c.shown.Parity)
		}
		return
	}
	if err := c.show(ctx, pending, ""); err != nil {
		c.interrupted(ctx, err)
	}
}

// try copies once and makes known how that ended. Its error asks for another try.
func (c *copier) try(ctx context.Context) error {
	c.tries++
	started := time.Now()
	err := c.copy(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if unknown := c.settle(ctx, err, time.Since(started)); unknown != nil {
		c.interrupted(ctx, unknown)
		return unknown
	}
	return err
}

func (c *copier) backoff() retry.Backoff {
	return retry.WithJitterPercent(20, retry.WithCappedDuration(30*time.Second, retry.NewExponential(c.Backoff)))
}

// copy copies from the first registry that can give the image, and verifies what arrived.
func (c *copier) copy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	to, err := oci.Repository(c.target.Registry, c.target.Repository)
	if err != nil {
		return err
	}
	// The region that is copied to is asked first, so that a copy that is whole needs no source.
	missing := oci.Verify(ctx, to, c.target.Digest)
	if missing == nil || oci.Unreachable(missing) {
		return missing
	}
	if err := c.fetch(ctx, to); err != nil {
		return err
	}
	return oci.Verify(ctx, to, c.target.Digest)
}

func (c *copier) fetch(ctx context.Context, to name.Repository) error {
	var problems []error
	for _, registry := range c.target.Sources {
		from, err := oci.Repository(registry, c.target.Repository)
		if err == nil {
			err = oci.Copy(ctx, from, to, c.target.Digest, c.target.Tag)
		}
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// watch verifies the copy again from time to time, and returns when the registry itself says that it is no longer whole.
// A registry that does not answer leaves the copy verified: that the region can not be reached from here is for others to judge.
func (c *copier) watch(ctx context.Context) {
	to, err := oci.Repository(c.target.Registry, c.target.Repository)
	if err != nil {
		return
	}
	for ctx.Err() == nil {
		if err := oci.Verify(ctx, to, c.target.Digest); errors.Is(err, oci.ErrIncomplete) {
			if err := c.settle(ctx, err, 0); err != nil {
				c.interrupted(ctx, err)
			}
			return
		}
		sleep(ctx, c.Recheck)
	}
}

// settle publishes how a try ended when that differs from the last time, and shows it.
func (c *copier) settle(ctx context.Context, cause error, took time.Duration) error {
	outcome, reason := verified, ""
	if cause != nil {
		outcome, reason = failed, cause.Error()
	}
	c.Metrics.seconds.WithLabelValues(c.target.Region, outcome).Observe(took.Seconds())
	if outcome == c.outcome {
		return nil
	}
	if cause == nil {
		c.log(zerolog.InfoLevel).Int("attempt", c.tries).Msg("image replicated")
	} else {
		c.log(zerolog.WarnLevel).Err(cause).Int("attempt", c.tries).Msg("image not replicated")
	}
	err := bus.Publish(ctx, c.Bus, schemas.ImageReplicatedTopic, schemas.ImageReplicated{
		App: c.target.App, Variant: c.target.Variant, Region: c.target.Region, Build: c.target.Build, Digest: c.target.Digest,
		Outcome: outcome, Error: reason, Attempt: c.tries, Seconds: took.Seconds(), At: time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	if err := c.show(ctx, outcome, reason); err != nil {
		return err
	}
	c.setOutcome(outcome)
	return nil
}

func (c *copier) setOutcome(outcome string) {
	if outcome == verified && c.outcome != verified {
		c.Metrics.pending.Add(-1)
	}
	if outcome != verified && c.outcome == verified {
		c.Metrics.pending.Add(1)
	}
	c.outcome = outcome
}

// show writes the region's entry. An older image that was verified there stays until this one is: nobody is to see an image that is not there.
func (c *copier) show(ctx context.Context, parity, reason string) error {
	if parity != verified && c.shown.Verified() && c.shown.Digest != c.target.Digest {
		return nil
	}
	next := schemas.ImageState{
		App: c.target.App, Variant: c.target.Variant, Region: c.target.Region, Build: c.target.Build, Digest: c.target.Digest,
		Reference: c.reference(), Parity: parity, Error: reason, Since: time.Now().UTC(),
	}
	if _, err := bus.Put(ctx, c.Bus, schemas.ImageBucket, next, bus.Condition{}); err != nil {
		return err
	}
	c.shown = next
	return nil
}

func (c *copier) reference() string {
	host, err := oci.Host(c.target.Registry)
	if err != nil {
		host = c.target.Registry
	}
	return host + "/" + c.target.Repository + "@" + c.target.Digest
}

func (c *copier) log(level zerolog.Level) *zerolog.Event {
	return c.Log.WithLevel(level).Str("app", c.target.App).Str("variant", c.target.Variant).Str("region", c.target.Region).Str("digest", c.target.Digest)
}

// interrupted logs that the bus kept something from being read or said.
func (c *copier) interrupted(ctx context.Context, err error) {
	if ctx.Err() == nil {
		c.log(zerolog.WarnLevel).Err(err).Msg("replication interrupted")
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
