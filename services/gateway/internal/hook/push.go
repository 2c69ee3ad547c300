package hook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
)

// imagePush is what a registry's webhook says of a push.
type imagePush struct{ delivery, host, repository, tag string }

// push stores the push of a watched repository and tag, and ignores others. A sender offers a push again for ever, or shows people a failure,
// until it is accepted, so what does not concern us must be accepted too.
func (h Hooks) push(ctx context.Context, c call, t schemas.Topology, p imagePush) error {
	registry, watched := watchedBy(t, p.host, p.repository, p.tag)
	if !watched {
		h.count(c, "ignored")
		return nil
	}
	// The body is a hint: what counts is what the registry itself answers for the tag.
	digest, _, err := h.Resolve(ctx, registry, p.repository, p.tag)
	if errors.Is(err, oci.ErrNotFound) {
		// The tag was deleted since: there is nothing to build.
		h.count(c, "ignored")
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask the registry for %s:%s: %w", p.repository, p.tag, err)
	}
	if err := h.Pushed(ctx, schemas.ImagePushed{
		Source: c.source, Delivery: p.delivery, Registry: HostOf(registry), Repository: p.repository, Tag: p.tag,
		Digest: digest, Verified: c.verified, BodySHA256: c.hash(), At: c.at,
	}); err != nil {
		return err
	}
	h.count(c, "stored")
	return nil
}

// watchedBy finds the watched registry, as the topology writes it, that a notification is about. A registry may call itself by a name of its own in its notifications,
// so when the host is no registry of the topology, the repository and tag decide.
func watchedBy(t schemas.Topology, host, repository, tag string) (registry string, ok bool) {
	for _, app := range t.Apps {
		for _, w := range app.Source.Watch {
			if w.Repository == repository && slices.Contains(w.Tags, tag) && (HostOf(w.Registry) == host || !knownHost(t, host)) {
				return w.Registry, true
			}
		}
	}
	return "", false
}

func knownHost(t schemas.Topology, host string) bool {
	for _, app := range t.Apps {
		for _, w := range app.Source.Watch {
			if HostOf(w.Registry) == host {
				return true
			}
		}
	}
	return slices.ContainsFunc(t.Regions, func(r schemas.Region) bool { return HostOf(r.Registry) == host })
}

// HostOf returns the host:port of a registry's address.
func HostOf(registry string) string {
	u, err := url.Parse(registry)
	if err != nil {
		return registry
	}
	return u.Host
}
