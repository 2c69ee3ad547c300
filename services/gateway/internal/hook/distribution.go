package hook

import (
	"cmp"
	"context"
	"net/url"

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
		if e.Action != "push" || e.ID == "" || !schemas.ValidDigest(e.Target.Digest) {
			h.count(c, "ignored")
			continue
		}
		if err := h.push(ctx, c, topology, imagePush{e.ID, host, e.Target.Repository, e.Target.Tag}); err != nil {
			return err
		}
	}
	return nil
}
