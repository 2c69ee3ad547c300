package doctor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/doctor"
)

func TestEachEntryOfDiscoverIsTold(t *testing.T) {
	here := schemas.Candidate{Region: "frankfurt", Variant: "slim"}
	for name, c := range map[string]struct {
		state schemas.DiscoveryState
		level doctor.Level
		says  string
	}{
		"well":       {schemas.DiscoveryState{ReadAt: now, Targets: 2, Endpoints: []schemas.Candidate{here}, At: now}, doctor.OK, "file /a.json: 2 targets, 1 endpoints, read 0s ago"},
		"never":      {schemas.DiscoveryState{}, doctor.Warn, "not looked at yet"},
		"no longer":  {schemas.DiscoveryState{ReadAt: now.Add(-time.Hour), Endpoints: []schemas.Candidate{here}, At: now.Add(-46 * time.Second)}, doctor.Fail, "not looked at for 46s"},
		"nothing":    {schemas.DiscoveryState{Trouble: "it hangs", At: now}, doctor.Fail, "never read; it hangs"},
		"old":        {schemas.DiscoveryState{ReadAt: now.Add(-time.Hour), Targets: 2, Endpoints: []schemas.Candidate{here}, Trouble: "it hangs", At: now}, doctor.Warn, "2 targets, 1 endpoints, read 1h0m0s ago; it hangs"},
		"refused":    {schemas.DiscoveryState{ReadAt: now, Targets: 2, Endpoints: []schemas.Candidate{here}, Refused: 1, Reasons: []string{"[0]: no"}, At: now}, doctor.Warn, "1 refused, first [0]: no"},
		"left out":   {schemas.DiscoveryState{ReadAt: now, Targets: 2, Endpoints: []schemas.Candidate{here}, Kept: []schemas.Candidate{here}, At: now}, doctor.Warn, "no longer named: frankfurt/slim"},
		"overlooked": {schemas.DiscoveryState{ReadAt: now, Targets: 2, At: now.Add(-44 * time.Second)}, doctor.OK, "read"},
	} {
		f := well()
		f.Topology.Apps[0].Discover = []schemas.Discovery{{Name: "file", File: "/a.json", Interval: schemas.Duration(10 * time.Second)}}
		rank(&f)
		f.Discoveries = map[string]schemas.DiscoveryState{}
		if c.state.Place = "file /a.json"; !c.state.At.IsZero() {
			f.Discoveries[schemas.KeyOf("shop", "file")] = c.state
		}
		if all := doctor.Examine(f); !slices.ContainsFunc(all, func(f doctor.Finding) bool {
			return f.What == "app shop discover file" && f.Level == c.level && strings.Contains(f.Evidence, c.says) && (f.Advice == "") == (c.level == doctor.OK)
		}) {
			t.Errorf("%s: no %s that says %q in %+v", name, c.level, c.says, all)
		}
	}
}
