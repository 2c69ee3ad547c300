package anomaly_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
		if diff := cmp.Diff(c.groups, anomaly.Common(c.found, all)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
