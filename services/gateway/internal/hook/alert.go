package hook

import (
	"context"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// What an alert does, in the events' words.
const (
	firing   = "firing"
	resolved = "resolved"
)

// alerted stores an alert under the app and region that its labels map it to.
func (h Hooks) alerted(ctx context.Context, c call, t schemas.Topology, e schemas.AlertReceived) error {
	e.Source, e.Verified, e.At = c.source, c.verified, c.at
	e.App, e.Region = match(t, e.Labels)
	if err := e.Validate(); err != nil {
		return malformed{err}
	}
	if err := h.Alerted(ctx, e); err != nil {
		return err
	}
	h.count(c, "stored")
	if !e.Matched() {
		h.Log.Warn().Str("alert", e.Name).Str("fingerprint", e.Fingerprint).Msg("alert maps to no app and region")
	}
	return nil
}

// match maps an alert to an app and region: by the first rule whose labels all match, else by the labels app and region. What maps to nothing stays unmatched; nothing is guessed.
func match(t schemas.Topology, labels map[string]string) (app, region string) {
	for _, a := range t.Apps {
		for _, rule := range a.Alerts {
			region := rule.Region
			if rule.RegionLabel != "" {
				region = labels[rule.RegionLabel]
			}
			if contains(labels, rule.Match) && slices.Contains(a.Regions(), region) {
				return a.Name, region
			}
		}
	}
	if a, ok := t.App(labels["app"]); ok && slices.Contains(a.Regions(), labels["region"]) {
		return a.Name, labels["region"]
	}
	return "", ""
}

func contains(labels, want map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}
