package importer

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var prometheusShapes = []shape{
	{"prometheus", "a scrape of blackbox_exporter in Prometheus's text format", func(h head) bool {
		return strings.HasPrefix(h.first, "# HELP ") || strings.HasPrefix(h.first, "# TYPE ") || bytes.Contains(h.text, []byte("\nprobe_success")) || strings.HasPrefix(h.first, "probe_success")
	}, prometheusText},
}

// errSums is why counters and histograms are no samples.
var errSums = errors.New("there is no probe_success in it: blackbox_exporter tells of one probe per scrape, but the counters and sums of cloudprober and smokeping_prober are of many, " +
	"and no requests are made up of them; import what blackbox_exporter's /probe answers, send the series probe_* by remote write, or import two or more scrapes of cloudprober as cloudprober")

// prometheusText reads a scrape, which is small. It is of one probe, unless labels say otherwise.
func prometheusText(in *bufio.Reader, out *rows) error {
	text, err := io.ReadAll(io.LimitReader(in, maxRow+1))
	if err != nil {
		return err
	}
	if len(text) > maxRow {
		return fmt.Errorf("a scrape is not longer than %d MiB", maxRow>>20)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(append(bytes.TrimRight(text, " \n"), '\n')))
	if err != nil {
		return fmt.Errorf("this is no scrape: %w", err)
	}
	p := probes{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			at := out.target.Time
			if m.TimestampMs != nil {
				at = time.UnixMilli(m.GetTimestampMs())
			}
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			p.add(name, labels, at, valueOf(m))
		}
	}
	return p.end(out)
}

func valueOf(m *dto.Metric) float64 {
	if m.Gauge != nil {
		return m.GetGauge().GetValue()
	}
	if m.Counter != nil {
		return m.GetCounter().GetValue()
	}
	return m.GetUntyped().GetValue()
}

// probes are those of blackbox_exporter, put together of their series: probes of one target at one time have the same labels.
type probes map[probe]map[string]float64

type probe struct {
	labels, region, variant string
	at                      time.Time
}

func (p probes) add(name string, labels map[string]string, at time.Time, value float64) {
	// A series that ended says so by a value that is no number.
	if !strings.HasPrefix(name, "probe_") || math.IsNaN(value) {
		return
	}
	of := probe{region: labels["region"], variant: labels["variant"], at: at.UTC()}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if label != "phase" && label != "__name__" {
			of.labels += fmt.Sprintf(" %s=%q", label, labels[label])
		}
	}
	if p[of] == nil {
		p[of] = map[string]float64{}
	}
	p[of][name+labels["phase"]] = value
}

func (p probes) end(out *rows) error {
	none := true
	keys := slices.SortedFunc(maps.Keys(p), func(a, b probe) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.labels, b.labels)) })
	for _, of := range keys {
		values := p[of]
		_, told := values["probe_success"]
		took, timed := values["probe_duration_seconds"]
		if !told && !timed {
			continue // labels of an information that is no measurement
		}
		none = false
		seconds := func(name string) time.Duration { return span(values[name], time.Second) }
		r := result{
			began: of.at, total: span(took, time.Second), dns: max(seconds("probe_dns_lookup_time_seconds"), seconds("probe_http_duration_secondsresolve")),
			connect: seconds("probe_http_duration_secondsconnect"), tls: seconds("probe_http_duration_secondstls"), firstByte: seconds("probe_http_duration_secondsprocessing"),
			transferring: seconds("probe_http_duration_secondstransfer"), status: uint32(max(0, min(values["probe_http_status_code"], 999))), region: of.region, variant: of.variant,
		}
		r.outcome = outcome(values["probe_success"] == 1, r.status, "")
		var err error
		switch {
		case of.at.IsZero():
			return errors.New("a scrape does not say when it was: say it with --time, as 2026-11-21T04:00:00Z")
		case !told || !timed:
			err = fmt.Errorf("of the probe%s at %s only one of probe_success and probe_duration_seconds is there; remote write with one shard (queue_config: {min_shards: 1, max_shards: 1}) keeps all but those at the edge of a request together",
				of.labels, of.at.Format(time.RFC3339))
		}
		if err := out.row(0, r, err); err != nil {
			return err
		}
	}
	if none {
		return errSums
	}
	return nil
}
