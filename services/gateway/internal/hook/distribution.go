package hook

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
)

// notification is the envelope of the CNCF distribution registry's notifications.
type notification struct {
	Events []struct {
		ID     string `json:"id"`
		Action string `json:"action"`
		Target struct {
			Repository string `json:"repository"`
			Digest     string `json:"digest"`
			Tag        string `json:"tag"`
			URL        string `json:"url"`
		} `json:"target"`
		Request struct {
			Host string `json:"host"`
		} `json:"request"`
	} `json:"events"`
}

// distribution stores a push for every event of a watched repository and tag, and ignores the rest: pulls, blobs, children of an index, and what Leeward pushed itself.
// A registry offers an event again for ever until it is accepted, so what does not concern us must be accepted too.
func (h Hooks) distribution(ctx context.Context, c call) error {
	var n notification
	if err := decode(c.body, &n); err != nil {
		return err
	}
	topology, err := h.Topology()
	if err != nil {
		return err
	}
	for _, e := range n.Events {
		host := e.Request.Host
		if u, err := url.Parse(e.Target.URL); err == nil && u.Host != "" {
			host = cmp.Or(host, u.Host)
		}
		registry, watched := watchedBy(topology, host, e.Target.Repository, e.Target.Tag)
		if e.Action != "push" || e.ID == "" || !schemas.ValidDigest(e.Target.Digest) || !watched {
			h.Count.WithLabelValues(c.source, "ignored").Inc()
			continue
		}
		// The body is a hint: what counts is what the registry itself answers for the tag.
		digest, _, err := h.Resolve(ctx, registry, e.Target.Repository, e.Target.Tag)
		if errors.Is(err, oci.ErrNotFound) {
			// The tag was deleted since: there is nothing to build, and the registry must not offer the event for ever.
			h.Count.WithLabelValues(c.source, "ignored").Inc()
			continue
		}
		if err != nil {
			return fmt.Errorf("ask the registry for %s:%s: %w", e.Target.Repository, e.Target.Tag, err)
		}
		body := sha256.Sum256(c.body)
		if err := h.Pushed(ctx, schemas.ImagePushed{
			Source: c.source, Delivery: e.ID, Registry: HostOf(registry), Repository: e.Target.Repository, Tag: e.Target.Tag,
			Digest: digest, Verified: "bearer", BodySHA256: hex.EncodeToString(body[:]), At: c.at,
		}); err != nil {
			return err
		}
		h.Count.WithLabelValues(c.source, "stored").Inc()
	}
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

var errNoAlerts = errors.New("the body holds no alerts")
