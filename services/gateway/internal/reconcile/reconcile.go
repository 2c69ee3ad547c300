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
	"github.com/leeward-failover/leeward/pkg/env"
	"github.com/leeward-failover/leeward/pkg/git"
	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
)

// Pushes compares watched tags with their registries, and branches that apps are built from with their git servers.
type Pushes struct {
	Bus        *bus.Bus
	Topologies *bus.Mirror[schemas.TopologyPart]
	Resolve    func(ctx context.Context, registry, repository, tag string) (digest, mediaType string, err error)
	// Head asks a git server which commit a branch is at.
	Head func(ctx context.Context, repository, branch, token string) (commit string, err error)
	// Getenv finds what references to tokens name.
	Getenv func(string) string
	// Every is the time between two comparisons; the first is at the start, and one follows each change of topology.
	Every time.Duration
	Log   zerolog.Logger
}

// againAfter is the time to the next comparison when a registry did not answer: it may be starting, and what it missed is announced by nobody else.
const againAfter = 5 * time.Second

// Run compares until ctx ends.
func (r Pushes) Run(ctx context.Context) error {
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

// compare says whether every registry and git server answered.
func (r Pushes) compare(ctx context.Context, t schemas.Topology) bool {
	whole := true
	for _, app := range t.Apps {
		if err := r.branch(ctx, app.Source.Git); err != nil && ctx.Err() == nil {
			whole = whole && errors.Is(err, git.ErrNotFound)
			r.Log.Warn().Err(err).Str("app", app.Name).Msg("branch not compared")
		}
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
func (r Pushes) tag(ctx context.Context, w schemas.Watch, tag string) error {
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

// branch publishes a push when the git server has a branch at another commit than the last push we know of.
func (r Pushes) branch(ctx context.Context, g schemas.Git) error {
	if g.Repository == "" {
		return nil
	}
	token := ""
	if g.Token != "" {
		var err error
		if token, err = env.Resolve(g.Token, r.Getenv); err != nil {
			return fmt.Errorf("token of %s: %w", g.Repository, err)
		}
	}
	commit, err := r.Head(ctx, g.Repository, g.Branch, token)
	if err != nil {
		return err
	}
	push := schemas.SourcePushed{Source: "reconcile", Repository: g.Repository, Branch: g.Branch, Commit: commit, Verified: "own", At: time.Now()}
	last, err := r.Bus.Last(ctx, schemas.Events, schemas.SourcePushedTopic.Subject(push))
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return err
	}
	var known schemas.SourcePushed
	if err == nil && json.Unmarshal(last.Data, &known) == nil && known.Commit == commit {
		return nil
	}
	push.Delivery = fmt.Sprintf("%s#%s@%s after %d", g.Repository, g.Branch, commit, last.Sequence)
	r.Log.Info().Str("repository", g.Repository).Str("branch", g.Branch).Str("commit", commit).Msg("push found")
	return bus.Publish(ctx, r.Bus, schemas.SourcePushedTopic, push)
}
