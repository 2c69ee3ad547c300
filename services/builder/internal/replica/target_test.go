package replica_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/replica"
)

func TestTargetsAreTheWantedImagesInTheRegionsOfTheApp(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	wanted := func(app, variant string) schemas.BuildState {
		return schemas.BuildState{App: app, Variant: variant, Wanted: schemas.BuildFinished{Build: "b1", Digest: digest, Reference: "hub:5000/" + app + ":" + variant + "-b1@" + digest}}
	}
	topology := schemas.Topology{
		Regions: []schemas.Region{{Name: "frankfurt", Registry: "http://f"}, {Name: "london", Registry: "http://l"}, {Name: "tokyo", Registry: "http://t"}},
		Apps: []schemas.App{
			{Name: "shop", Images: schemas.Images{Registry: "http://hub:5000", Repository: "shop"}, Variants: []schemas.Variant{{Name: "slim"}, {Name: "single"}},
				Endpoints: []schemas.Endpoint{{Region: "tokyo", Variant: "slim"}, {Region: "london", Variant: "slim"}}},
			{Name: "everywhere", Images: schemas.Images{Registry: "http://f", Repository: "e"}, Variants: []schemas.Variant{{Name: "only"}}},
		},
	}
	got := replica.Targets(topology, []schemas.BuildState{
		wanted("shop", "slim"), wanted("shop", "gone"), wanted("unknown", "slim"), {App: "shop", Variant: "single"}, wanted("everywhere", "only"),
	})
	var lines []string
	for _, one := range got {
		lines = append(lines, strings.Join([]string{one.App, one.Variant, one.Region, one.Tag, one.Registry, strings.Join(one.Sources, ",")}, " "))
	}
	want := []string{
		"shop slim london slim-b1 http://l http://hub:5000,http://t",
		"shop slim tokyo slim-b1 http://t http://hub:5000,http://l",
		"everywhere only frankfurt only-b1 http://f http://l,http://t",
		"everywhere only london only-b1 http://l http://f,http://t",
		"everywhere only tokyo only-b1 http://t http://f,http://l",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}
