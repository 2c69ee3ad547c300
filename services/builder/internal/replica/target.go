// Package replica keeps in every region's registry the image that was built: it copies by digest, verifies the copy, and goes on trying for a registry that is away.
package replica

import (
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// Target is an image that a region's registry is to hold.
type Target struct {
	App, Variant, Region string
	Build, Digest, Tag   string
	// Repository is the same in every registry.
	Repository string
	// Registry is the region's; Sources are where to copy from, the home registry first.
	Registry string
	Sources  []string
}

// Key names the app, the variant and the region.
func (t Target) Key() string { return schemas.KeyOf(t.App, t.Variant, t.Region) }

func (t Target) equal(o Target) bool {
	sources := slices.Equal(t.Sources, o.Sources)
	t.Sources, o.Sources = nil, nil
	return sources && t.Key() == o.Key() && t.Build == o.Build && t.Digest == o.Digest && t.Tag == o.Tag &&
		t.Repository == o.Repository && t.Registry == o.Registry
}

// Targets are the images the regions are to hold: of each variant the newest build that succeeded, in the regions the app has endpoints in, or in all of them.
func Targets(t schemas.Topology, builds []schemas.BuildState) []Target {
	var targets []Target
	for _, s := range builds {
		app, ok := t.App(s.App)
		if !ok || !s.Wants() || !slices.ContainsFunc(app.Variants, func(v schemas.Variant) bool { return v.Name == s.Variant }) {
			continue
		}
		regions := regionsOf(t, app)
		sources := []string{app.Images.Registry}
		for _, r := range regions {
			if !slices.Contains(sources, r.Registry) {
				sources = append(sources, r.Registry)
			}
		}
		for _, r := range regions {
			targets = append(targets, Target{
				App: app.Name, Variant: s.Variant, Region: r.Name, Build: s.Wanted.Build, Digest: s.Wanted.Digest, Tag: tagOf(s.Wanted.Reference),
				Repository: app.Images.Repository, Registry: r.Registry, Sources: slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return s == r.Registry }),
			})
		}
	}
	return targets
}

func regionsOf(t schemas.Topology, app schemas.App) []schemas.Region {
	names := app.Regions()
	return slices.DeleteFunc(slices.Clone(t.Regions), func(r schemas.Region) bool { return len(names) > 0 && !slices.Contains(names, r.Name) })
}

// tagOf returns the tag of host/repository:tag@digest.
func tagOf(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	return reference[strings.LastIndex(reference, ":")+1:]
}
