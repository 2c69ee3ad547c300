package anomaly_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/anomaly"
)

// TestARegionAndItsVariantsMayBeMeasuredByOneKind has found cells that are a minority even of the narrowest scope they are in: each stands for itself.
func TestARegionAndItsVariantsMayBeMeasuredByOneKind(t *testing.T) {
	cell := func(variant string) anomaly.Cell {
		return anomaly.Cell{App: "shop", Region: "tokyo", Variant: variant, Vantage: "madrid", Kind: "http"}
	}
	whole, slim, single := cell(""), cell("slim"), cell("single")
	all := []anomaly.Cell{whole, single, slim}
	for _, c := range []struct {
		name   string
		found  []anomaly.Cell
		groups [][]anomaly.Cell
	}{
		{"the region", []anomaly.Cell{whole}, [][]anomaly.Cell{{whole}}},
		{"a variant", []anomaly.Cell{slim}, [][]anomaly.Cell{{slim}}},
		{"the region and a variant", []anomaly.Cell{whole, slim}, [][]anomaly.Cell{{slim}, {whole}}},
		{"all", all, [][]anomaly.Cell{all}},
	} {
		var got [][]anomaly.Cell
		for _, g := range anomaly.Common(c.found, all) {
			got = append(got, g.Cells)
		}
		if diff := cmp.Diff(c.groups, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestACommonPartIsOneThingNamedSimply looks at what is put together, and how it is called, without any chance in it.
func TestACommonPartIsOneThingNamedSimply(t *testing.T) {
	cell := func(app, region, vantage, kind string) anomaly.Cell {
		return anomaly.Cell{App: app, Region: region, Variant: "slim", Vantage: vantage, Kind: kind}
	}
	// The app cart is measured in tokyo from madrid only, and nothing else is measured there from there.
	cart := []anomaly.Cell{cell("cart", "tokyo", "madrid", "http"), cell("cart", "tokyo", "madrid", "tcp")}
	shop := []anomaly.Cell{cell("shop", "london", "madrid", "http"), cell("shop", "paris", "madrid", "http"), cell("shop", "tokyo", "dallas", "http"), cell("shop", "tokyo", "london", "http")}
	all := append(append([]anomaly.Cell{}, cart...), shop...)
	for _, c := range []struct {
		name   string
		found  []anomaly.Cell
		groups []anomaly.Group
	}{
		{"nothing", nil, nil},
		{"an app, by fewer words than a path", cart, []anomaly.Group{{schemas.AnomalyScope{App: "cart"}, cart}}},
		{"one of four is named in full", shop[:1], []anomaly.Group{{schemas.AnomalyScope{App: "shop", Region: "london", Variant: "slim", Vantage: "madrid", Kind: "http"}, shop[:1]}}},
		{"three of four", shop[1:], []anomaly.Group{{schemas.AnomalyScope{App: "shop"}, shop}}},
	} {
		if diff := cmp.Diff(c.groups, anomaly.Common(c.found, all)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
