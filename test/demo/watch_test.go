package demo //nolint:testpackage // The watch is an inner part of the script.

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// TestWatchDoesNotDependOnTheOrderOfEvents gives a watch the events of a builder that was killed between a build and its announcement.
func TestWatchDoesNotDependOnTheOrderOfEvents(t *testing.T) {
	now := time.Now()
	app := schemas.App{Name: "shop", Variants: []schemas.Variant{{Name: "slim"}}, Endpoints: []schemas.Endpoint{{Region: "london"}, {Region: "tokyo"}}}
	of := func(topic schemas.Contract, payload any) event {
		data, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		return event{Type: topic.Name, Payload: data}
	}
	built := of(schemas.BuildFinishedTopic.Contract(), schemas.BuildFinished{App: "shop", Variant: "slim", Outcome: "succeeded", Digest: "new", At: now})
	in := func(region, digest string) event {
		return of(schemas.ImageReplicatedTopic.Contract(), schemas.ImageReplicated{App: "shop", Variant: "slim", Region: region, Digest: digest, Outcome: "verified", At: now})
	}
	for name, c := range map[string]struct {
		events []event
		want   bool
	}{
		"announced first":      {[]event{built, in("london", "new"), in("tokyo", "new")}, true},
		"announced last":       {[]event{in("london", "new"), in("tokyo", "new"), built}, true},
		"announced twice":      {[]event{built, in("london", "new"), built, in("tokyo", "new")}, true},
		"a region is missing":  {[]event{built, in("london", "new")}, false},
		"another digest there": {[]event{built, in("london", "new"), in("tokyo", "old")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, got := newWatch(app), false
			for _, e := range c.events {
				got = w.see(e)
			}
			if got != c.want {
				t.Errorf("enough = %t, want %t", got, c.want)
			}
		})
	}
}
