// Package build decides what a push builds, builds each variant of it once, and records and announces the outcome.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// Job is one variant of an app to build because of a push.
type Job struct {
	App     schemas.App
	Variant schemas.Variant
	Inputs
	Asked
}

// Inputs are what an app is built from, as it is when the build begins and not as an event tells,
// so that events in any order, and old ones that come again, lead to the same build.
type Inputs struct {
	// Bases are the images the app watches, in the order of the topology.
	Bases []Base
	// Commit is what the app's branch is at; empty for an app that is built from a folder.
	Commit string
	// Token opens the app's repository.
	Token string
	// Refused is why there is nothing to build from, or nil.
	Refused error
}

// Asked is the event that asked for a build.
type Asked struct {
	// Identity tells it from every other event.
	Identity string
	// Trigger is the digest or the commit it brought.
	Trigger string
}

// Base is an image that an app is built from.
type Base struct{ Registry, Repository, Tag, Digest string }

// Reference is the image as a Dockerfile names it.
func (b Base) Reference() string { return host(b.Registry) + "/" + b.Repository + ":" + b.Tag }

// Pins are the references of the bases with the references that name their digests.
func (j Job) Pins() map[string]string {
	pins := map[string]string{}
	for _, b := range j.Bases {
		pins[b.Reference()] = b.Reference() + "@" + b.Digest
	}
	return pins
}

// Owners returns the apps that are built from the branch that was pushed to.
func Owners(t schemas.Topology, e schemas.SourcePushed) []schemas.App {
	var apps []schemas.App
	for _, a := range t.Apps {
		if g := a.Source.Git; g.Repository != "" && g.Repository == e.Repository && g.Branch == e.Branch {
			apps = append(apps, a)
		}
	}
	return apps
}

// Watchers returns the apps that watch what was pushed. What Leeward pushes itself, to an app's home or to a region, starts nothing.
func Watchers(t schemas.Topology, e schemas.ImagePushed) []schemas.App {
	if own(t, e) {
		return nil
	}
	var apps []schemas.App
	for _, a := range t.Apps {
		if slices.ContainsFunc(a.Source.Watch, func(w schemas.Watch) bool { return watches(w, e) }) {
			apps = append(apps, a)
		}
	}
	return apps
}

func watches(w schemas.Watch, e schemas.ImagePushed) bool {
	return host(w.Registry) == host(e.Registry) && w.Repository == e.Repository && slices.Contains(w.Tags, e.Tag)
}

func own(t schemas.Topology, e schemas.ImagePushed) bool {
	for _, a := range t.Apps {
		if a.Images.Repository != e.Repository {
			continue
		}
		if host(a.Images.Registry) == host(e.Registry) {
			return true
		}
		if slices.ContainsFunc(t.Regions, func(r schemas.Region) bool { return host(r.Registry) == host(e.Registry) }) {
			return true
		}
	}
	return false
}

// host is what two names of one registry have in common, be it a base URL or a host alone.
func host(registry string) string {
	if u, err := url.Parse(registry); err == nil && u.Host != "" {
		return strings.ToLower(u.Host)
	}
	return strings.ToLower(strings.TrimSuffix(registry, "/"))
}

// Args are the app's build arguments with the variant's own over them.
func Args(a schemas.App, v schemas.Variant) map[string]string {
	args := map[string]string{}
	maps.Copy(args, a.Source.Args)
	maps.Copy(args, v.Args)
	return args
}

// ID is the identity of the build: everything that decides its result. content stands for the context and the Dockerfile.
func (j Job) ID(content string) string {
	data, err := json.Marshal([]any{
		j.Pins(), content,
		j.App.Name, j.App.Images, j.App.Source.Dockerfile, j.Variant.Name, j.Variant.Target, Args(j.App, j.Variant),
	})
	if err != nil {
		panic("a job is always encodable: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Tag is the tag of a build's image in every registry.
func Tag(variant, build string) string { return variant + "-" + build[:12] }
