// Package reconcile finds pushes whose notification was lost: a registry keeps its queue in memory, so what was pushed while it or the gateway was away is never announced.
package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
)

// Tags compares watched tags with their registries.
type Tags struct {
	Bus        *bus.Bus
	Topologies *bus.Mirror[schemas.TopologyPart]
	Resolve    func(ctx context.Context, registry, repository, tag string) (digest, mediaType string, err error)
	// Every is the time between two comparisons; the first is at the start, and one follows each change of topology.
	Every time.Duration
	Log   zerolog.Logger
}

// againAfter is the time to the next comparison when a registry did not answer: it may be starting, and what it missed is announced by nobody else.
const againAfter = 5 * time.Second

// Run compares until ctx ends.
func (r Tags) Run(ctx context.Context) error {
	for {
		changed := r.Topologies.Changed()
		next := r.Every
		if t, err := bus.CurrentTopology(r.Topologies); err == nil && !r.compare(ctx, t) {
			next = min(next, againAfter)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(next):
		}
	}
}

// compare says whether every registry answered.
func (r Tags) compare(ctx context.Context, t schemas.Topology) bool {
	whole := true
	for _, app := range t.Apps {
		for _, w := range app.Source.Watch {
			for _, tag := range w.Tags {
				err := r.tag(ctx, w, tag)
				if errors.Is(err, oci.ErrNotFound) {
					continue
				}
				if err != nil && ctx.Err() == nil {
					whole = false
					r.Log.Warn().Err(err).Str("registry", w.Registry).Str("repository", w.Repository).Str("tag", tag).Msg("tag not compared")
				}
			}
		}
	}
	return whole
}

// tag publishes a push when the registry holds another digest than the last push we know of.
func (r Tags) tag(ctx context.Context, w schemas.Watch, tag string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	digest, _, err := r.Resolve(ctx, w.Registry, w.Repository, tag)
	if err != nil {
		return err
	}
	host := w.Registry
	if u, err := url.Parse(w.Registry); err == nil {
		host = u.Host
	}
	push := schemas.ImagePushed{Source: "reconcile", Registry: host, Repository: w.Repository, Tag: tag, Digest: digest, Verified: "own", At: time.Now()}
	last, err := r.Bus.Last(ctx, schemas.Events, schemas.ImagePushedTopic.Subject(push))
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	var known schemas.ImagePushed
	if err == nil && json.Unmarshal(last.Data, &known) == nil && known.Digest == digest {
		return nil
	}
	// Two gateways that compare at once find the same push after the same last one; a tag that moves back is another push.
	push.Delivery = fmt.Sprintf("%s/%s:%s@%s after %d", host, w.Repository, tag, digest, last.Sequence)
	r.Log.Info().Str("repository", w.Repository).Str("tag", tag).Str("digest", digest).Msg("push found")
	return bus.Publish(ctx, r.Bus, schemas.ImagePushedTopic, push)
}
