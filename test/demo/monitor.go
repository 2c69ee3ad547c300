package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/test/world/site"
)

// ruleName is the alert by which Prometheus tells of a lost region.
const ruleName = "RegionDown"

// answer asks Prometheus or Alertmanager something.
func answer(ctx context.Context, host, path string, out any) error {
	return client{base: "http://" + host}.do(ctx, http.MethodGet, path, nil, nil, out)
}

// rule is an alerting rule as Prometheus runs it.
type rule struct {
	Name string `json:"name"`
	// Duration is its `for`, in seconds.
	Duration float64 `json:"duration"`
	Health   string  `json:"health"`
	Error    string  `json:"lastError"`
	Alerts   []alert `json:"alerts"`
}

// alert is what a rule found.
type alert struct {
	Labels map[string]string `json:"labels"`
	State  string            `json:"state"`
	// ActiveAt is the evaluation that first found it true.
	ActiveAt time.Time `json:"activeAt"`
}

func rules(ctx context.Context) ([]rule, error) {
	var got struct {
		Data struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	err := answer(ctx, site.Prometheus, "/api/v1/rules?type=alert", &got)
	var all []rule
	for _, g := range got.Data.Groups {
		all = append(all, g.Rules...)
	}
	return all, err
}

func regionRule(ctx context.Context) (rule, error) {
	all, err := rules(ctx)
	if err != nil {
		return rule{}, err
	}
	for _, r := range all {
		if r.Name == ruleName {
			return r, nil
		}
	}
	return rule{}, errors.New("Prometheus has no rule " + ruleName)
}

// notified are the alerts of lost regions that Alertmanager holds, with when they began to fire.
func notified(ctx context.Context) (starts map[string]time.Time, err error) {
	var got []struct {
		Labels   map[string]string `json:"labels"`
		StartsAt time.Time         `json:"startsAt"`
	}
	err = answer(ctx, site.Alertmanager, "/api/v2/alerts?filter="+url.QueryEscape("alertname="+ruleName), &got)
	starts = map[string]time.Time{}
	for _, a := range got {
		if a.Labels["app"] == appName {
			starts[a.Labels["region"]] = a.StartsAt
		}
	}
	return starts, err
}

// watching says whether Prometheus scrapes everything, and neither it nor Alertmanager knows of a lost region.
func watching(ctx context.Context) error {
	var targets struct {
		Data struct {
			Active []struct {
				URL    string `json:"scrapeUrl"`
				Health string `json:"health"`
				Error  string `json:"lastError"`
			} `json:"activeTargets"`
		} `json:"data"`
	}
	if err := answer(ctx, site.Prometheus, "/api/v1/targets?state=active", &targets); err != nil {
		return err
	}
	if len(targets.Data.Active) == 0 {
		return errors.New("Prometheus scrapes nothing")
	}
	for _, t := range targets.Data.Active {
		if t.Health != "up" {
			return fmt.Errorf("Prometheus calls %s %s: %s", t.URL, t.Health, t.Error)
		}
	}
	r, err := regionRule(ctx)
	if err != nil {
		return err
	}
	if len(r.Alerts) > 0 {
		return fmt.Errorf("the alert for %s is %s", r.Alerts[0].Labels["region"], r.Alerts[0].State)
	}
	starts, err := notified(ctx)
	if err == nil && len(starts) > 0 {
		err = fmt.Errorf("Alertmanager holds alerts of lost regions: %v", starts)
	}
	return err
}

// resolved waits until the alert of an earlier failover is over everywhere.
func (d *demo) resolved(ctx context.Context) error {
	return until(ctx, 30*time.Second, "Prometheus and Alertmanager at rest", watching)
}

// byRule adds the parts of the delay between the first down verdict and the quorum, when it was Prometheus and Alertmanager who told.
func (f *Failover) byRule(ctx context.Context, p schemas.Plan, killed, answered time.Time) error {
	r, err := regionRule(ctx)
	if err != nil {
		return err
	}
	of := slices.IndexFunc(r.Alerts, func(a alert) bool { return a.Labels["app"] == p.App && a.Labels["region"] == p.From.Region })
	starts, err := notified(ctx)
	if err != nil {
		return err
	}
	fired := starts[p.From.Region]
	if of < 0 || fired.IsZero() {
		return fmt.Errorf("the alert for %s is over already", p.From.Region)
	}
	wait, err := groupWait(ctx)
	if err != nil {
		return err
	}
	f.Configured = &Waits{ForMS: r.Duration * 1000, GroupWaitMS: ms(wait)}
	last := 0.0
	for _, part := range []struct {
		ms  *float64
		end time.Time
	}{
		{&f.DetectMS, p.Times.FirstDownAt}, {&f.PendingMS, r.Alerts[of].ActiveAt}, {&f.ForMS, fired}, {&f.GroupWaitMS, p.Times.AlertAt},
		{&f.ConfirmMS, p.Times.QuorumAt}, {&f.ShiftMS, answered},
	} {
		// Each is the difference of two rounded moments, so that the parts add up to the whole.
		end := ms(part.end.Sub(killed))
		*part.ms, last = tenths(end-last), end
		if *part.ms < 0 {
			return fmt.Errorf("the parts of the delay are out of order: %+v", *f)
		}
	}
	return nil
}

// groupWait is how long Alertmanager holds back the first alert of a group for Leeward.
func groupWait(ctx context.Context) (time.Duration, error) {
	var status struct {
		Config struct {
			Original string `json:"original"`
		} `json:"config"`
	}
	if err := answer(ctx, site.Alertmanager, "/api/v2/status", &status); err != nil {
		return 0, err
	}
	var config struct {
		Route struct {
			Routes []struct {
				Receiver  string `yaml:"receiver"`
				GroupWait string `yaml:"group_wait"`
			} `yaml:"routes"`
		} `yaml:"route"`
	}
	if err := yaml.Unmarshal([]byte(status.Config.Original), &config); err != nil {
		return 0, err
	}
	for _, r := range config.Route.Routes {
		if r.Receiver == "leeward" {
			return time.ParseDuration(r.GroupWait)
		}
	}
	return 0, errors.New("Alertmanager has no route to leeward")
}
