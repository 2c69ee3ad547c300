package hook

import (
	"cmp"
	"errors"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// datadog reads a monitor's notification as a webhook's payload writes it. A cycle goes from when a monitor fires until it recovers; a repeat in between is not news,
// but that a warning became an alert is.
func datadog(r report) (schemas.AlertReceived, error) {
	missing := r.need(
		key{"alert_cycle_key", `write "alert_cycle_key": "$ALERT_CYCLE_KEY" in the payload of the webhook`},
		key{"alert_transition", `write "alert_transition": "$ALERT_TRANSITION" in the payload of the webhook`},
	)
	if missing != nil {
		return schemas.AlertReceived{}, missing
	}
	r["alert_transition"] = strings.TrimPrefix(r["alert_transition"], "Re-")
	status, unknown := r.status("alert_transition", []string{"Triggered", "Warn", "No Data", "Renotify"}, []string{"Recovered"})
	happened, untimely := r.time("date", milliseconds)
	labels, annotations := r.labels("alert_scope", "tags")
	e := schemas.AlertReceived{
		Fingerprint: r["alert_cycle_key"], Firing: r["alert_cycle_key"] + ":" + r["alert_transition"], Status: status, Name: cmp.Or(r["alert_title"], r["title"]),
		Labels: labels, Annotations: annotations, StartsAt: happened,
	}
	if status == resolved {
		e.EndsAt = happened
	}
	return e, errors.Join(unknown, untimely)
}
