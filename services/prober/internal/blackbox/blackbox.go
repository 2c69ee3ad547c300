// Package blackbox answers as blackbox_exporter does, so that a Prometheus that asks one can ask a prober instead: GET /probe?target=…&module=…&debug=true.
// The names and units of the metrics are those of blackbox_exporter 0.27.
package blackbox

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/explain"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// Handler measures what it is asked for. It reaches what the prober's guard lets it reach.
type Handler struct {
	Measure func(ctx context.Context, t target.Target, due time.Time) probe.Measurement
}

// modules are the kinds by the names of blackbox_exporter's example configuration and by their own. Kinds whose target is a secret or a program are not for whoever can reach the port.
var modules = map[string]schemas.Kind{
	"icmp": schemas.KindICMP, "tcp": schemas.KindTCP, "tcp_connect": schemas.KindTCP, "http": schemas.KindHTTP, "http_2xx": schemas.KindHTTP,
}

// ServeHTTP measures the target once.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	t := target.Target{Kind: modules["http_2xx"], Address: query.Get("target")}
	if m := query.Get("module"); m != "" {
		t.Kind = modules[m]
	}
	var err error
	t.Timeout, err = timeout(r.Header)
	switch {
	case t.Address == "":
		err = fmt.Errorf("target is missing: /probe?target=https://shop.example/&module=http_2xx")
	case t.Kind == 0:
		err = fmt.Errorf("module %q is not known; there are %s", query.Get("module"), strings.Join(slices.Sorted(maps.Keys(modules)), ", "))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if t.Kind == schemas.KindHTTP && !strings.Contains(t.Address, "://") {
		t.Address = "http://" + t.Address
	}
	m := h.Measure(r.Context(), t, time.Now())
	all := prometheus.NewRegistry()
	all.MustRegister(metrics(m)...)
	if query.Get("debug") == "true" {
		debug(w, t.Address, m, all)
		return
	}
	promhttp.HandlerFor(all, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

const (
	// longest is how long a measurement may take when nobody says, spare how much of Prometheus' own time-out is left for the way.
	longest = 10 * time.Second
	spare   = 500 * time.Millisecond
)

// timeout is how long the measurement may take: Prometheus says how long it waits.
func timeout(header http.Header) (time.Duration, error) {
	text := header.Get("X-Prometheus-Scrape-Timeout-Seconds")
	if text == "" {
		return longest, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds <= 0 || seconds > 3600 {
		return 0, fmt.Errorf("X-Prometheus-Scrape-Timeout-Seconds: %q is not a number of seconds", text)
	}
	wait := time.Duration(seconds * float64(time.Second))
	if wait > 2*spare {
		wait -= spare
	}
	return min(wait, longest), nil
}

func gauge(name, help string, value float64) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	g.Set(value)
	return g
}

// phases is a gauge with a value for every phase, in seconds.
func phases(name, help string, values map[string]uint32) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"phase"})
	for phase, us := range values {
		g.WithLabelValues(phase).Set(seconds(us))
	}
	return g
}

func seconds(us uint32) float64 { return float64(us) / 1e6 }

// metrics are what blackbox_exporter would have told of a measurement.
func metrics(m probe.Measurement) []prometheus.Collector {
	s, success := m.Sample, 0.0
	if m.Err == nil {
		success = 1
	}
	all := []prometheus.Collector{
		gauge("probe_success", "Displays whether or not the probe was a success", success),
		gauge("probe_duration_seconds", "Returns how long the probe took to complete in seconds", seconds(s.LatencyUS)),
		gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", seconds(s.DNSUS)),
	}
	switch s.Kind {
	case schemas.KindICMP:
		all = append(all, phases("probe_icmp_duration_seconds", "Duration of icmp request by phase", map[string]uint32{"resolve": s.DNSUS, "setup": 0, "rtt": s.FirstByteUS}))
	case schemas.KindHTTP:
		all = append(all,
			phases("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects",
				map[string]uint32{"resolve": s.DNSUS, "connect": s.ConnectUS, "tls": s.TLSUS, "processing": s.WriteUS + s.FirstByteUS, "transfer": s.TransferUS}),
			gauge("probe_http_status_code", "Response HTTP status code", float64(s.Status)))
	}
	return all
}

// debug explains a measurement to people, above its metrics.
func debug(w http.ResponseWriter, address string, m probe.Measurement, all prometheus.Gatherer) {
	var text bytes.Buffer
	explain.Of(address, m).Print(&text)
	fmt.Fprintf(&text, "\nMetrics that would have been returned:\n")
	families, err := all.Gather()
	for _, f := range families {
		if _, written := expfmt.MetricFamilyToText(&text, f); err == nil {
			err = written
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(text.Bytes())
}
