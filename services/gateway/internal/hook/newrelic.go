package hook

import (
	"errors"

	"github.com/leeward-failover/leeward/schemas"
)

// newRelic reads an issue as a workflow's template writes it. An issue has one id from its beginning to its end, and tells of every change by it.
func newRelic(r report) (schemas.AlertReceived, error) {
	missing := r.need(
		key{"id", `write "id": {{ json issueId }} in the template of the workflow's webhook`},
		key{"state", `write "state": {{ json state }} in the template of the workflow's webhook`},
	)
	if missing != nil {
		return schemas.AlertReceived{}, missing
	}
	status, unknown := r.status("state", []string{"CREATED", "ACTIVATED"}, []string{"CLOSED", "RESOLVED"})
	created, untimely := r.time("createdAt", milliseconds)
	labels, annotations := r.labels("tags")
	return schemas.AlertReceived{
		Fingerprint: r["id"], Firing: r["id"], Status: status, Name: r["title"], Labels: labels, Annotations: annotations, StartsAt: created,
	}, errors.Join(unknown, untimely)
}
