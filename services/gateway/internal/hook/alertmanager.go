package hook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// alertGroup is the body of Alertmanager's webhook, version 4.
type alertGroup struct {
	Version string `json:"version"`
	Alerts  []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		EndsAt      time.Time         `json:"endsAt"`
		Fingerprint string            `json:"fingerprint"`
	} `json:"alerts"`
}

// alertmanager stores an event for every alert of a group. Alertmanager delivers at least once; the identity of an alert makes that one effect.
func (h Hooks) alertmanager(ctx context.Context, c call) error {
	var g alertGroup
	if err := decode(c.body, &g); err != nil {
		return err
	}
	if len(g.Alerts) == 0 {
		return malformed{errNoAlerts}
	}
	topology, err := h.Topology()
	if err != nil {
		return err
	}
	for _, a := range g.Alerts {
		event := schemas.AlertReceived{
			Source: c.source, Fingerprint: a.Fingerprint, Status: a.Status, Name: a.Labels["alertname"], Labels: a.Labels, Annotations: a.Annotations,
			StartsAt: a.StartsAt, Verified: c.verified, At: c.at,
		}
		if a.EndsAt.After(a.StartsAt) {
			event.EndsAt = a.EndsAt
		}
		event.App, event.Region = match(topology, a.Labels)
		if err := event.Validate(); err != nil {
			return malformed{err}
		}
		if err := h.Alerted(ctx, event); err != nil {
			return err
		}
		h.count(c, "stored")
		if !event.Matched() {
			h.Log.Warn().Str("alert", event.Name).Str("fingerprint", event.Fingerprint).Msg("alert maps to no app and region")
		}
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

var errNoAlerts = errors.New("the body holds no alerts")

func contains(labels, want map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}
