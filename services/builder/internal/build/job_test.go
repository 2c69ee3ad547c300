package build_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/build"
)

func topology() schemas.Topology {
	return schemas.Topology{
		Regions: []schemas.Region{{Name: "london", Registry: "http://10.88.2.1:5000"}},
		Apps: []schemas.App{
			{Name: "shop", Source: schemas.Source{Watch: []schemas.Watch{{Registry: "http://10.88.0.1:5000", Repository: "base/node", Tags: []string{"20", "22"}}}},
				Images: schemas.Images{Registry: "http://10.88.0.1:5000", Repository: "shop"}},
			// The loop watches what Leeward itself pushes: to the home of shop and to a region.
			{Name: "loop", Source: schemas.Source{Watch: []schemas.Watch{
				{Registry: "http://10.88.0.1:5000", Repository: "shop", Tags: []string{"1"}},
				{Registry: "http://10.88.2.1:5000", Repository: "shop", Tags: []string{"1"}},
			}}, Images: schemas.Images{Registry: "http://10.88.0.1:5000", Repository: "loop"}},
		},
	}
}

func TestWatchersAreTheAppsThatNameRegistryRepositoryAndTag(t *testing.T) {
	for name, test := range map[string]struct {
		registry, repository, tag string
		want                      []string
	}{
		"host alone":           {"10.88.0.1:5000", "base/node", "22", []string{"shop"}},
		"base URL":             {"http://10.88.0.1:5000/", "base/node", "20", []string{"shop"}},
		"another tag":          {"10.88.0.1:5000", "base/node", "18", nil},
		"another repository":   {"10.88.0.1:5000", "base/go", "20", nil},
		"another registry":     {"10.88.0.9:5000", "base/node", "20", nil},
		"own image at home":    {"10.88.0.1:5000", "shop", "1", nil},
		"own image, in region": {"10.88.2.1:5000", "shop", "1", nil},
	} {
		var got []string
		for _, a := range build.Watchers(topology(), schemas.ImagePushed{Registry: test.registry, Repository: test.repository, Tag: test.tag}) {
			got = append(got, a.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestIDChangesWithEverythingThatDecidesTheResult(t *testing.T) {
	job := func(change func(*build.Job)) build.Job {
		j := build.Job{
			App:     schemas.App{Name: "shop", Source: schemas.Source{Args: map[string]string{"A": "1", "B": "1"}}},
			Variant: schemas.Variant{Name: "slim", Target: "slim", Args: map[string]string{"B": "2"}},
			Inputs:  build.Inputs{Bases: []build.Base{{Registry: "http://hub", Repository: "base/node", Tag: "20", Digest: "sha256:1"}}},
			Asked:   build.Asked{Identity: "push:distribution:1", Trigger: "sha256:1"},
		}
		change(&j)
		return j
	}
	seen := map[string]string{job(func(*build.Job) {}).ID("content"): "nothing"}
	same := job(func(j *build.Job) {
		j.Asked = build.Asked{Identity: "2", Trigger: "sha256:0"}
		j.App.Source.Args = map[string]string{"B": "9", "A": "1"}
	})
	if _, ok := seen[same.ID("content")]; !ok {
		t.Error("another delivery or an argument that the variant overrides: the id changed, want the same")
	}
	for name, change := range map[string]func(*build.Job){
		"digest":       func(j *build.Job) { j.Bases[0].Digest = "sha256:2" },
		"app":          func(j *build.Job) { j.App.Name = "blog" },
		"variant":      func(j *build.Job) { j.Variant.Name = "single" },
		"target":       func(j *build.Job) { j.Variant.Target = "single" },
		"app argument": func(j *build.Job) { j.App.Source.Args = map[string]string{"A": "2"} },
		"home":         func(j *build.Job) { j.App.Images.Repository = "elsewhere" },
		"content":      nil,
	} {
		content := "content"
		if change == nil {
			content, change = "other", func(*build.Job) {}
		}
		id := job(change).ID(content)
		if other, ok := seen[id]; ok {
			t.Errorf("%s: same id as %s", name, other)
		}
		seen[id] = name
	}
}
