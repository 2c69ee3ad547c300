package hook

import (
	"context"
	"errors"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// hubPush is the body of Docker Hub's webhook. It names no digest, and its callback_url is not called: whoever knows the address could have us call anybody.
type hubPush struct {
	PushData struct {
		Tag string `json:"tag"`
	} `json:"push_data"`
	Repository struct {
		RepoName string `json:"repo_name"`
	} `json:"repository"`
}

// hubHosts are the names that Docker Hub's registry goes by.
var hubHosts = []string{"docker.io", "index.docker.io", "registry-1.docker.io"}

var errNoRepository = errors.New("the body names no repository")

// dockerhub stores the push of a watched repository and tag. Docker Hub signs nothing and gives its calls no id: the body is the identity.
func (h Hooks) dockerhub(ctx context.Context, c call) error {
	var b hubPush
	if err := decode(c.body, &b); err != nil {
		return err
	}
	if b.Repository.RepoName == "" {
		return malformed{errNoRepository}
	}
	topology, err := h.Topology()
	if err != nil {
		return err
	}
	return h.push(ctx, c, topology, imagePush{c.hash(), hubHost(topology), b.Repository.RepoName, b.PushData.Tag})
}

// hubHost is the name by which the topology calls Docker Hub.
func hubHost(t schemas.Topology) string {
	if i := slices.IndexFunc(hubHosts, func(host string) bool { return knownHost(t, host) }); i >= 0 {
		return hubHosts[i]
	}
	return hubHosts[0]
}
