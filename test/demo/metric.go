package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/test/query"
	"github.com/leeward-failover/leeward/test/world/site"
)

// scrape is what Prometheus scraped in this run: the labels of every metric it was asked for so far.
type scrape struct {
	since  time.Time
	labels map[string]map[string]bool
}

// of returns a metric's labels; none when nothing of that name was scraped.
func (s *scrape) of(ctx context.Context, metric string) (map[string]bool, error) {
	if known, ok := s.labels[metric]; ok {
		return known, nil
	}
	var got struct {
		Data []map[string]string `json:"data"`
	}
	query := url.Values{"match[]": {fmt.Sprintf("{__name__=%q}", metric)}, "start": {s.since.Format(time.RFC3339)}}
	if err := answer(ctx, site.Prometheus, "/api/v1/series?"+query.Encode(), &got); err != nil {
		return nil, err
	}
	labels := map[string]bool{}
	for _, series := range got.Data {
		for name := range series {
			labels[name] = true
		}
	}
	s.labels[metric] = labels
	return labels, nil
}

// scraped says whether every metric and label that a rule or a dashboard names is in the live scrape, the rules can be evaluated, and the reference lists exactly what is scraped.
func (d *demo) scraped(ctx context.Context) error { return d.scrapedSince(ctx, d.began) }

func (d *demo) scrapedSince(ctx context.Context, since time.Time) error {
	seen := &scrape{since: since, labels: map[string]map[string]bool{}}
	queries, err := query.PromQL(d.Deploy)
	if err != nil {
		return err
	}
	var problems []error
	for _, q := range queries {
		selectors, err := query.Selectors(q.Text)
		if err != nil {
			return fmt.Errorf("%s: %w", q.Where, err)
		}
		for _, s := range selectors {
			labels, err := seen.of(ctx, s.Metric)
			if err != nil {
				return err
			}
			if len(labels) == 0 {
				problems = append(problems, fmt.Errorf("%s names %s, and nothing has it", q.Where, s.Metric))
			}
			for _, l := range s.Labels {
				if len(labels) > 0 && !labels[l] {
					problems = append(problems, fmt.Errorf("%s expects label %s of %s, which has %v", q.Where, l, s.Metric, slices.Sorted(maps.Keys(labels))))
				}
			}
		}
	}
	running, err := rules(ctx)
	if err != nil {
		return err
	}
	for _, r := range running {
		if r.Health != "ok" {
			problems = append(problems, fmt.Errorf("rule %s is %s: %s", r.Name, r.Health, r.Error))
		}
	}
	d.say("  %d expressions, %d metrics, %d alerts", len(queries), len(seen.labels), len(running))
	return errors.Join(append(problems, d.referenced(ctx, seen))...)
}

const metricsReference = `# Metrics

Every process serves ` + "`/metrics`" + ` at its health address (` + "`LEEWARD_HEALTH_ADDR`" + `, without authentication: keep it from strangers), beside the usual ones of Go programs. With ` + "`deploy/prometheus/targets`" + `
every series carries the labels service and instance as well, and those of a prober its vantage. This list is held to a live scrape by ` + "`make demo`" + `.

| metric | type | labels | services | meaning |
|---|---|---|---|---|
`

// referenced compares docs/reference/metrics.md with the scrape.
func (d *demo) referenced(ctx context.Context, seen *scrape) error {
	want, err := seen.reference(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(d.Deploy, "..", "docs", "reference", "metrics.md")
	got, err := os.ReadFile(file)
	if err == nil && string(got) == want {
		return nil
	}
	fresh := filepath.Join(filepath.Dir(d.Topology), "metrics.md")
	return errors.Join(err, os.WriteFile(fresh, []byte(want), 0o600), fmt.Errorf("docs/reference/metrics.md is not what is scraped: look at what differs, then cp %s %s", fresh, file))
}

// reference writes the reference from what is scraped.
func (s *scrape) reference(ctx context.Context) (string, error) {
	var metadata struct {
		Data map[string][]struct {
			Type string `json:"type"`
			Help string `json:"help"`
		} `json:"data"`
	}
	if err := answer(ctx, site.Prometheus, "/api/v1/metadata", &metadata); err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString(metricsReference)
	for _, name := range slices.Sorted(maps.Keys(metadata.Data)) {
		if !strings.HasPrefix(name, "leeward_") {
			continue
		}
		series, of := name, metadata.Data[name][0]
		if of.Type == "histogram" {
			series += "_bucket"
		}
		labels, err := s.of(ctx, series)
		if err != nil {
			return "", err
		}
		var own []string
		for _, l := range slices.Sorted(maps.Keys(labels)) {
			if !slices.Contains([]string{"__name__", "job", "instance", "service", "le"}, l) && (l != "vantage" || strings.HasPrefix(name, "leeward_prober_")) {
				own = append(own, l)
			}
		}
		services, err := who(ctx, series)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s | %s |\n", name, of.Type, strings.Join(own, ", "), services, of.Help)
	}
	return text.String(), nil
}

// who lists the services that have a metric.
func who(ctx context.Context, series string) (string, error) {
	var got struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
			} `json:"result"`
		} `json:"data"`
	}
	expr := url.QueryEscape("count by (service) (last_over_time(" + series + "[5m]))")
	if err := answer(ctx, site.Prometheus, "/api/v1/query?query="+expr, &got); err != nil {
		return "", err
	}
	var services []string
	for _, r := range got.Data.Result {
		services = append(services, r.Metric["service"])
	}
	if len(services) == 6 {
		return "all", nil
	}
	slices.Sort(services)
	return strings.Join(services, ", "), nil
}
