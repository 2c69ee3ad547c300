package importer

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/leeward-failover/leeward/schemas"
)

var cloudproberShapes = []shape{
	{"cloudprober", "two or more scrapes of cloudprober's /metrics, one after the other", func(h head) bool { return cloudproberLine.Match(h.text) }, cloudprober},
}

var cloudproberLine = regexp.MustCompile(`(?m)^(cloudprober_)?(total|success|latency|latency_sum)\{([^}]*,)?ptype="`)

// cloudprober reads scrapes of counters. Where exactly one probe came between two of a target, it is known as if it had been told: whether it succeeded, and how long it took.
func cloudprober(in *bufio.Reader, out *rows) error {
	c := counters{out: out, targets: map[string]*counter{}}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	err := lines(in, out, func(number int, line []byte) error {
		if line[0] == '#' {
			return nil
		}
		families, err := parser.TextToMetricFamilies(bytes.NewReader(append(slices.Clone(line), '\n')))
		if err != nil {
			return out.row(number, result{}, fmt.Errorf("this is no line of a scrape: %s", strings.TrimPrefix(err.Error(), "text format parsing error in line 1: ")))
		}
		for name, family := range families {
			for _, m := range family.GetMetric() {
				if err := c.add(number, strings.TrimPrefix(name, "cloudprober_"), m); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.end()
}

// counters are those of cloudprober's targets.
type counters struct {
	out     *rows
	targets map[string]*counter
}

// counter is what two scrapes said of a target: the one before, and the one that is read.
type counter struct {
	region, variant string
	line            int
	before, now     count
}

// count is what a target's counters say at a time. All of them are there, or it is none.
type count struct {
	at                      time.Time
	total, success, latency *float64
}

func (c *counters) add(line int, name string, m *dto.Metric) error {
	if name != "total" && name != "success" && name != "latency" && name != "latency_sum" {
		return nil
	}
	if m.TimestampMs == nil {
		return fmt.Errorf("line %d has no time, without which one scrape can not be told from the next: leave include_timestamp of cloudprober's prometheus_surfacer as it is by default", line)
	}
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	var of strings.Builder
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&of, " %s=%q", label, labels[label])
	}
	t := c.targets[of.String()]
	if t == nil {
		t = &counter{region: labels["region"], variant: labels["variant"]}
		c.targets[of.String()] = t
	}
	if at := time.UnixMilli(m.GetTimestampMs()); !at.Equal(t.now.at) {
		if at.Before(t.now.at) {
			return c.out.row(line, result{}, errors.New("its time is before that of the scrape before; put scrapes into a file in their order"))
		}
		if err := c.step(of.String(), t); err != nil {
			return err
		}
		t.now = count{at: at}
	}
	t.line = line
	value := valueOf(m)
	switch name {
	case "total":
		t.now.total = &value
	case "success":
		t.now.success = &value
	default:
		t.now.latency = &value
	}
	return nil
}

// step makes of two scrapes of a target the probe that came between them.
func (c *counters) step(labels string, t *counter) error {
	before, now := t.before, t.now
	if now.total == nil || now.success == nil || now.latency == nil {
		if now.at.IsZero() {
			return nil
		}
		return c.out.row(t.line, result{}, fmt.Errorf("of%s at %s not all of total, success and latency are there", labels, now.at.UTC().Format(time.RFC3339)))
	}
	t.before = now
	if before.total == nil || *now.total == *before.total {
		return nil
	}
	probes, good, took := *now.total-*before.total, *now.success-*before.success, *now.latency-*before.latency
	r := result{began: now.at, total: span(took, time.Microsecond), outcome: schemas.OK, region: t.region, variant: t.variant}
	var err error
	switch {
	case probes < 0 || good < 0 || good > probes:
		err = fmt.Errorf("the counters of%s went back: cloudprober was started again", labels)
	case probes != 1:
		err = fmt.Errorf("between %s and %s%s was probed %g times, of which there is only a sum; have cloudprober export as often as it probes (stats_export_interval_msec), and scrape as often",
			before.at.UTC().Format(time.RFC3339), now.at.UTC().Format(time.RFC3339), labels, probes)
	case good == 0:
		r.total, r.outcome = 0, schemas.OtherError
	}
	return c.out.row(t.line, r, err)
}

// end makes the last step of each target.
func (c *counters) end() error {
	last := slices.SortedFunc(maps.Keys(c.targets), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.targets[a].line, c.targets[b].line), cmp.Compare(a, b))
	})
	for _, labels := range last {
		if err := c.step(labels, c.targets[labels]); err != nil {
			return err
		}
	}
	if c.out.samples == 0 && c.out.leftOut == 0 {
		return errors.New("these counters do not change: a probe is what two scrapes differ by; put two or more into the file, one after the other, as by `curl -s HOST:9313/metrics >>FILE` once an interval")
	}
	return nil
}
