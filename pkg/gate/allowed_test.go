package gate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

func TestPeopleDecideWhatIsAllowedUntilTheirOrderEnds(t *testing.T) {
	given := now.Add(-time.Minute)
	ordered := func(kind, region, variant, why string, left time.Duration) schemas.Override {
		return schemas.Override{App: "shop", Region: region, Variant: variant, Kind: kind, Why: why, Who: "anna", At: given, Until: now.Add(left)}
	}
	exclude := func(region, variant string) schemas.Override {
		return ordered(schemas.Exclude, region, variant, "disk trouble", 2*time.Hour)
	}
	pin := func(region, variant string) schemas.Override {
		return ordered(schemas.Pin, region, variant, "canary", time.Hour)
	}
	elsewhere := exclude("london", "")
	elsewhere.App = "blog"
	const excluded, pinned = "excluded by anna until 2026-03-01 14:00:00 UTC: disk trouble", "pinned by anna until 2026-03-01 13:00:00 UTC: canary"
	free := schemas.Gate{Result: schemas.Pass, Evidence: "no override"}
	for _, c := range []struct {
		what      string
		overrides []schemas.Override
		want      schemas.Gate
	}{
		{"nothing ordered", nil, free},
		{"its region excluded", []schemas.Override{exclude("london", "")}, schemas.Gate{Result: schemas.Fail, Evidence: excluded, EvidenceAt: given}},
		{"itself excluded", []schemas.Override{exclude("london", "slim")}, schemas.Gate{Result: schemas.Fail, Evidence: excluded, EvidenceAt: given}},
		{"its region's other variant excluded", []schemas.Override{exclude("london", "single")}, free},
		{"another region excluded", []schemas.Override{exclude("tokyo", "")}, free},
		{"excluded for another app", []schemas.Override{elsewhere}, free},
		{"ended just now", []schemas.Override{ordered(schemas.Exclude, "london", "", "disk trouble", 0)}, free},
		{"pinned", []schemas.Override{pin("london", "slim")}, schemas.Gate{Result: schemas.Pass, Evidence: pinned, EvidenceAt: given}},
		{"another pinned", []schemas.Override{pin("tokyo", "slim")}, schemas.Gate{Result: schemas.Fail, Evidence: "tokyo/slim is " + pinned, EvidenceAt: given}},
		{"two regions pinned", []schemas.Override{pin("tokyo", ""), pin("london", "")}, schemas.Gate{Result: schemas.Pass, Evidence: pinned, EvidenceAt: given}},
		{"two others pinned", []schemas.Override{pin("tokyo", ""), pin("dallas", "")}, schemas.Gate{Result: schemas.Fail, Evidence: "dallas is " + pinned + "; tokyo is " + pinned, EvidenceAt: given}},
		{"another's pin has ended", []schemas.Override{ordered(schemas.Pin, "tokyo", "", "canary", -time.Second)}, free},
		{"pinned and excluded", []schemas.Override{pin("london", ""), exclude("london", "slim")}, schemas.Gate{Result: schemas.Fail, Evidence: excluded, EvidenceAt: given}},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.want.Name = "allowed"
			if diff := cmp.Diff(c.want, gate.Permitted(shop, slim, c.overrides, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
