package schemas_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

func reaches(rights []string, filter string) bool {
	return slices.ContainsFunc(rights, func(right string) bool { return overlap(right, filter) })
}

func TestLeafPassesOnWhatItsVantagesMayDoAndKeepsTheSamples(t *testing.T) {
	leaf := schemas.PermitLeaf("tokyo", []string{"tokyo", "tokyo-2"})
	for subject, want := range map[string]bool{
		// Stored by the leaf's stream and by the hub's, they would be recorded twice.
		schemas.SampleSubject("tokyo"): false, schemas.SamplesSubject + ".>": false, schemas.ReplaySubject + ".>": false,
		"leeward.health.changed.v1.shop.london.tokyo": true, "leeward.health.changed.v1.shop.london.frankfurt": false,
		"$JS.hub.API.$KV.verdicts.tokyo.shop.london": true, "$JS.hub.API.$KV.verdicts.frankfurt.shop.london": false, "$JS.hub.API.$KV.routes.shop": false,
		"$JS.hub.API.STREAM.INFO.KV_topology": true, "$JS.hub.API.STREAM.INFO.SAMPLES": false, "$JS.hub.API.STREAM.DELETE.>": false, "$JS.london.API.>": false,
		// The hub's server lets none of these in from another domain; they are nobody's need.
		"$JS.API.>": false, "$KV.>": false,
		"_INBOX_recorder.x": true, "_INBOX_gateway.x": false, "_INBOX_failover-actuator.x": false,
	} {
		if got := reaches(leaf.Publish, subject); got != want {
			t.Errorf("the leaf may pass %s on to the hub: %v, want %v", subject, got, want)
		}
	}
	for subject, want := range map[string]bool{
		schemas.SampleSubject("frankfurt"): false, schemas.ReplaySubject + ".>": false,
		"_INBOX_prober-tokyo.x": true, "_INBOX_prober-tokyo-2.x": true, "_INBOX_prober-frankfurt.x": false, "_INBOX_recorder.x": false,
		"$JS.tokyo.API.CONSUMER.CREATE.SAMPLES.x": true, "$JS.tokyo.API.STREAM.DELETE.SAMPLES": false, "$JS.london.API.>": false, "$JS.hub.API.>": false,
	} {
		if got := reaches(leaf.Subscribe, subject); got != want {
			t.Errorf("the leaf may be sent %s: %v, want %v", subject, got, want)
		}
	}
}

func TestProberAtALeafMayDoWhatItMayAtTheHub(t *testing.T) {
	hub, leaf := schemas.Permit(schemas.Prober, "tokyo"), schemas.PermitAtLeaf("tokyo")
	if len(hub.Publish) != len(leaf.Publish) || !slices.Equal(hub.Subscribe, leaf.Subscribe) {
		t.Fatalf("%d and %d rights", len(hub.Publish), len(leaf.Publish))
	}
	for i, right := range leaf.Publish {
		if strings.HasPrefix(right, "$JS.API.") || strings.HasPrefix(right, "$KV.") {
			t.Errorf("%s stays in the leaf's domain, which holds nothing of that name", right)
		}
		if back := strings.NewReplacer("$JS.hub.API.$KV.", "$KV.", "$JS.hub.API.", "$JS.API.").Replace(right); back != hub.Publish[i] {
			t.Errorf("%s is not %s in the hub's domain", right, hub.Publish[i])
		}
	}
}

func TestOnlyTheRecorderReadsOtherDomainsAndOnlySamples(t *testing.T) {
	for _, u := range users {
		if u.service == schemas.Setup {
			continue
		}
		var elsewhere []string
		for _, right := range u.reaches("$JS.tokyo.API.>") {
			elsewhere = append(elsewhere, right)
			if !strings.Contains(right, "."+schemas.Samples) {
				t.Errorf("%s may publish %s", u.name(), right)
			}
		}
		if got := len(elsewhere) > 0; got != (u.service == schemas.Recorder) {
			t.Errorf("%s reaches the domains of regions: %q", u.name(), elsewhere)
		}
	}
}
