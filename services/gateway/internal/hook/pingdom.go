package hook

import (
	"errors"
	"maps"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

const notPingdom = "is this Pingdom's webhook of a check's state?"

// pingdom reads the change of a check's state. Of a check that is up again Pingdom does not say since when it was down.
func pingdom(r report) (schemas.AlertReceived, error) {
	missing := r.need(key{"check_id", notPingdom}, key{"current_state", notPingdom}, key{"state_changed_timestamp", notPingdom})
	if missing != nil {
		return schemas.AlertReceived{}, missing
	}
	status, unknown := r.status("current_state", []string{"DOWN", "FAILING"}, []string{"UP", "SUCCESS"})
	changed, untimely := r.time("state_changed_timestamp", seconds)
	r.keepHostname()
	labels, annotations := r.labels("tags")
	e := schemas.AlertReceived{Fingerprint: r["check_id"], Status: status, Name: r["check_name"], Labels: labels, Annotations: annotations, StartsAt: changed}
	if status == resolved {
		e.EndsAt = changed
	}
	return e, errors.Join(unknown, untimely)
}

// keepHostname takes out how a check asks, which may hold passwords, but for whom.
func (r report) keepHostname() {
	hostname, ok := r["check_params.hostname"]
	maps.DeleteFunc(r, func(name, _ string) bool { return strings.HasPrefix(name, "check_params") })
	if ok {
		r["hostname"] = hostname
	}
}
