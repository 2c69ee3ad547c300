package hook

import (
	"github.com/leeward-failover/leeward/schemas"
)

// dynatrace reads a problem as a notification's custom payload writes it. A problem that is merged goes on, as itself or as a part of another, so it is not resolved.
func dynatrace(r report) (schemas.AlertReceived, error) {
	missing := r.need(
		key{"PID", `write "PID": "{PID}" in the custom payload of the problem notification`},
		key{"State", `write "State": "{State}" in the custom payload of the problem notification`},
	)
	if missing != nil {
		return schemas.AlertReceived{}, missing
	}
	status, err := r.status("State", []string{"OPEN", "MERGED"}, []string{"RESOLVED"})
	labels, annotations := r.labels("Tags")
	return schemas.AlertReceived{Fingerprint: r["PID"], Firing: r["PID"], Status: status, Name: r["ProblemTitle"], Labels: labels, Annotations: annotations}, err
}
