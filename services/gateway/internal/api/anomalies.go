package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/schemas"
)

type anomaliesInput struct {
	App   string `query:"app" doc:"Only those that concern this app"`
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"How many, the open ones first, then the newest"`
}

func (s Server) anomalies(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-anomalies", Method: http.MethodGet, Path: "/v1/anomalies", Summary: "Anomalies that last, then those that ended within a day, newest first",
	}, func(_ context.Context, in *anomaliesInput) (*answer[[]schemas.AnomalyDetected], error) {
		if in.App != "" {
			if _, err := s.app(in.App); err != nil {
				return nil, err
			}
		}
		return &answer[[]schemas.AnomalyDetected]{s.Anomalies(in.App, in.Limit)}, nil
	})
}

// Anomalies lists the anomalies that concern an app, or all.
func (s Server) Anomalies(app string, limit int) []schemas.AnomalyDetected {
	all := []schemas.AnomalyDetected{}
	for _, entry := range s.State.Anomalies.All() {
		if e := entry.Value.Last; app == "" || slices.Contains(e.Apps, app) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b schemas.AnomalyDetected) int {
		return cmp.Or(cmp.Compare(a.State, b.State), b.Since.Compare(a.Since), cmp.Compare(a.ID, b.ID)) // began comes before ended
	})
	return all[:min(limit, len(all))]
}
