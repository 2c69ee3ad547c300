package hook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// alertGroup is the body of Alertmanager's webhook, version 4, and of Grafana's, version 1, which adds fields of its own.
type alertGroup struct {
	Alerts []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		EndsAt      time.Time         `json:"endsAt"`
		Fingerprint string            `json:"fingerprint"`
	} `json:"alerts"`
}

var errNoAlerts = errors.New(`the body holds no alerts: "alerts" is missing or empty, as where the sender was given a body of one's own`)

// alertGroup stores an event for every alert of a group. Its senders deliver at least once; the identity of an alert makes that one effect.
func (h Hooks) alertGroup(ctx context.Context, c call) error {
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
	for i, a := range g.Alerts {
		event := schemas.AlertReceived{Fingerprint: a.Fingerprint, Status: a.Status, Name: a.Labels["alertname"], Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt}
		if a.EndsAt.After(a.StartsAt) {
			event.EndsAt = a.EndsAt
		}
		if err := h.alerted(ctx, c, topology, event); err != nil {
			return fmt.Errorf("alerts[%d]: %w", i, err)
		}
	}
	return nil
}
