package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/scoreboard"
)

func (s Server) variants(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-variants", Method: http.MethodGet, Path: "/v1/apps/{app}/variants",
		Summary: "The app's variants in each region: what their images weigh, how long they take to serve from nothing, and how long requests take",
	}, func(_ context.Context, in *appInput) (*answer[[]scoreboard.Row], error) {
		app, err := s.app(in.App)
		if err != nil {
			return nil, err
		}
		topology, err := s.State.CurrentTopology()
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		return &answer[[]scoreboard.Row]{scoreboard.Of(app, topology, s.measured(in.App))}, nil
	})
}

// measured is what is known of an app's variants.
func (s Server) measured(app string) scoreboard.Known {
	known := scoreboard.Known{
		Images:     ofApp(s.State.Images, func(i schemas.ImageState) string { return i.App }, app),
		Benchmarks: ofApp(s.State.Benchmarks, func(b schemas.BenchmarkState) string { return b.App }, app),
	}
	if ranking, ok := s.State.Rankings.Get(app); ok {
		known.Ranking = ranking.Value
	}
	return known
}
