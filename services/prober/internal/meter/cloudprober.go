package meter

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Cloudprober collects what the prober measures under the names that cloudprober has for it: total, success and the sum of the latencies of those that succeeded, in microseconds,
// by ptype (the kind), probe (the app) and dst (region/variant). Dashboards and rules made for it go on working.
type Cloudprober struct{ meter *Meter }

// Cloudprober returns the collector of a meter, for a registry of its own: its names have no prefix.
func (m *Meter) Cloudprober() Cloudprober { return Cloudprober{m} }

var (
	cloudproberLabels  = []string{"ptype", "probe", "dst"}
	cloudproberTotal   = prometheus.NewDesc("total", "Measurements made.", cloudproberLabels, nil)
	cloudproberSuccess = prometheus.NewDesc("success", "Measurements that ended ok.", cloudproberLabels, nil)
	cloudproberLatency = prometheus.NewDesc("latency", "Sum of the latencies of those that ended ok, in microseconds.", cloudproberLabels, nil)
)

// Describe tells what is collected.
func (Cloudprober) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cloudproberTotal, cloudproberSuccess, cloudproberLatency} {
		out <- d
	}
}

// Collect sends the counters of every cell.
func (p Cloudprober) Collect(out chan<- prometheus.Metric) {
	c := p.meter.cells
	c.mu.Lock()
	defer c.mu.Unlock()
	for of, s := range c.targets {
		dst := of.region
		if of.variant != "" {
			dst += "/" + of.variant
		}
		for desc, value := range map[*prometheus.Desc]uint64{cloudproberTotal: s.total, cloudproberSuccess: s.success, cloudproberLatency: s.latencyUS} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), of.kind.String(), of.app, dst)
		}
	}
}
