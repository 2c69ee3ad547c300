package meter_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/meter"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// shown lists the series of some metrics with their values, histograms by their count.
func shown(t *testing.T, r *prometheus.Registry, names ...string) []string {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		for _, name := range names {
			if f.GetName() != "leeward_prober_"+name {
				continue
			}
			for _, m := range f.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetValue())
				}
				value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				all = append(all, fmt.Sprintf("%s %s %g", name, strings.Join(labels, " "), value))
			}
		}
	}
	return all
}

func TestMeterShowsWhatTheTopologyNamesAndNothingElse(t *testing.T) {
	r := prometheus.NewRegistry()
	m := meter.New(r, "london", func() (int, int64, int) { return 0, 0, 0 })
	slim := target.Target{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindHTTP}
	single := target.Target{App: "shop", Region: "tokyo", Variant: "single", Kind: schemas.KindHTTP}
	sample := func(of target.Target, outcome schemas.Outcome) {
		m.Sample(schemas.Sample{App: of.App, Region: of.Region, Variant: of.Variant, Kind: of.Kind, Outcome: outcome, DueUS: 5_000_000, LatencyUS: 30_000, ConnectUS: 10_000, FirstByteUS: 20_000})
	}
	names := []string{"samples_total", "latency_seconds", "phase_seconds_total", "last_sample_timestamp_seconds", "health"}

	m.Follow([]target.Cell{{App: "shop", Region: "tokyo", Targets: []target.Target{slim, single}}})
	sample(slim, schemas.OK)
	sample(slim, schemas.TimedOut)
	m.Judged("shop", "tokyo", schemas.Degraded)
	want := []string{
		"health shop blind tokyo london 0", "health shop degraded tokyo london 1", "health shop down tokyo london 0", "health shop up tokyo london 0",
		"last_sample_timestamp_seconds shop http tokyo london slim 5",
		"latency_seconds shop http tokyo london slim 1",
		"phase_seconds_total shop http connect tokyo london slim 0.01", "phase_seconds_total shop http first_byte tokyo london slim 0.02",
		// An endpoint that never answered has a count of its good answers, too: a share can be made of it.
		"samples_total shop http ok tokyo london single 0",
		"samples_total shop http ok tokyo london slim 1", "samples_total shop http timeout tokyo london slim 1",
	}
	if diff := cmp.Diff(want, shown(t, r, names...)); diff != "" {
		t.Error(diff)
	}

	m.Follow([]target.Cell{{App: "shop", Region: "tokyo", Targets: []target.Target{single}}})
	sample(slim, schemas.OK) // measured before, ended after
	if got := shown(t, r, "samples_total", "latency_seconds", "phase_seconds_total", "last_sample_timestamp_seconds"); len(got) != 1 || got[0] != "samples_total shop http ok tokyo london single 0" {
		t.Errorf("series of an endpoint that is gone: %q", got)
	}
	m.Follow(nil)
	m.Judged("shop", "tokyo", schemas.Down)
	if got := shown(t, r, names...); len(got) != 0 {
		t.Errorf("series of a region that is gone: %q", got)
	}
}

// TestTenThousandTargetsAreForgottenAtOnce is for a look through all series for each that is gone: of a tenth of ten thousand that took 19 seconds, in which no measurement could end.
func TestTenThousandTargetsAreForgottenAtOnce(t *testing.T) {
	r := prometheus.NewRegistry()
	m := meter.New(r, "london", func() (int, int64, int) { return 0, 0, 0 })
	var all []target.Cell
	for app := range 10 {
		c := target.Cell{App: fmt.Sprint("app", app), Region: "tokyo"}
		for variant := range 1000 {
			c.Targets = append(c.Targets, target.Target{App: c.App, Region: "tokyo", Variant: fmt.Sprint("v", variant), Kind: schemas.KindICMP})
		}
		all = append(all, c)
	}
	m.Follow(all)
	for _, c := range all {
		m.Judged(c.App, c.Region, schemas.Up)
		for _, of := range c.Targets {
			m.Sample(schemas.Sample{App: of.App, Region: of.Region, Variant: of.Variant, Kind: of.Kind, Outcome: schemas.OK, FirstByteUS: 1, LatencyUS: 1, DueUS: 1})
			m.Sample(schemas.Sample{App: of.App, Region: of.Region, Variant: of.Variant, Kind: of.Kind, Outcome: schemas.OtherError, DueUS: 1})
		}
	}
	began := time.Now()
	m.Follow(all[:1])
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("9,000 targets were forgotten in %s", took)
	}
	if n := len(shown(t, r, "samples_total")); n != 2000 {
		t.Errorf("%d series are left of 1,000 targets, want one for each outcome", n)
	}
	if left := shown(t, r, "latency_seconds", "phase_seconds_total", "last_sample_timestamp_seconds", "health"); len(left) != 3004 {
		t.Errorf("%d series are left of 1,000 targets in a region, want 3,004", len(left))
	}
}

func TestMeterSpeaksCloudprober(t *testing.T) {
	m := meter.New(prometheus.NewRegistry(), "london", func() (int, int64, int) { return 0, 0, 0 })
	slim := target.Target{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindHTTP}
	m.Follow([]target.Cell{{App: "shop", Region: "tokyo", Targets: []target.Target{slim}}})
	for _, outcome := range []schemas.Outcome{schemas.OK, schemas.TimedOut, schemas.OK} {
		m.Sample(schemas.Sample{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindHTTP, Outcome: outcome, DueUS: 5_000_000, LatencyUS: 30_000})
	}
	want := `
		# HELP latency Sum of the latencies of those that ended ok, in microseconds.
		# TYPE latency counter
		latency{dst="tokyo/slim",probe="shop",ptype="http"} 60000
		# HELP success Measurements that ended ok.
		# TYPE success counter
		success{dst="tokyo/slim",probe="shop",ptype="http"} 2
		# HELP total Measurements made.
		# TYPE total counter
		total{dst="tokyo/slim",probe="shop",ptype="http"} 3
	`
	if err := testutil.CollectAndCompare(m.Cloudprober(), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
