package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// AppSummary is an app with what is known of it now.
type AppSummary struct {
	Name  string         `json:"name"`
	Team  string         `json:"team,omitempty"`
	Mode  string         `json:"mode"`
	Route *schemas.Route `json:"route,omitempty" doc:"Where traffic goes; absent before the actuator has seen the app"`
	// Verdicts are the latest judgement of each vantage and region.
	Verdicts []schemas.Verdict `json:"verdicts"`
}

type appInput struct {
	App string `path:"app" doc:"Name of the app"`
}

type rankingInput struct {
	App    string `path:"app" doc:"Name of the app"`
	Active string `query:"active" doc:"Only the order for this active region; default all"`
	Inputs bool   `query:"inputs" doc:"Also the integers the ranking was computed from"`
}

type answer[T any] struct{ Body T }

func (s Server) apps(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-apps", Method: http.MethodGet, Path: "/v1/apps", Summary: "Every app, where its traffic goes and how its regions look",
	}, func(context.Context, *struct{}) (*answer[[]AppSummary], error) {
		topology, err := s.State.CurrentTopology()
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		apps := []AppSummary{}
		for _, a := range topology.Apps {
			apps = append(apps, s.summary(a))
		}
		return &answer[[]AppSummary]{apps}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "get-ranking", Method: http.MethodGet, Path: "/v1/apps/{app}/ranking", Summary: "Candidates in order, with intervals, gates and reasons",
	}, s.ranking)
	huma.Register(api, huma.Operation{
		OperationID: "get-route", Method: http.MethodGet, Path: "/v1/apps/{app}/route", Summary: "Where the app's traffic is sent",
	}, func(_ context.Context, in *appInput) (*answer[schemas.Route], error) {
		return one(s, in.App, s.State.Routes, "the actuator has not set a route yet")
	})
	huma.Register(api, huma.Operation{
		OperationID: "list-images", Method: http.MethodGet, Path: "/v1/apps/{app}/images", Summary: "Which digest each region should run, and whether its registry holds it",
	}, func(_ context.Context, in *appInput) (*answer[[]schemas.ImageState], error) {
		if _, err := s.app(in.App); err != nil {
			return nil, err
		}
		return &answer[[]schemas.ImageState]{ofApp(s.State.Images, func(i schemas.ImageState) string { return i.App }, in.App)}, nil
	})
}

func (s Server) summary(a schemas.App) AppSummary {
	sum := AppSummary{Name: a.Name, Team: a.Team, Mode: a.Mode, Verdicts: ofApp(s.State.Verdicts, func(v schemas.Verdict) string { return v.App }, a.Name)}
	if route, ok := s.State.Routes.Get(a.Name); ok {
		sum.Route = &route.Value
	}
	return sum
}

func (s Server) ranking(_ context.Context, in *rankingInput) (*answer[schemas.Ranking], error) {
	out, err := one(s, in.App, s.State.Rankings, "the ranker has not ranked the app yet")
	if err != nil {
		return nil, err
	}
	if !in.Inputs {
		out.Body.Inputs = nil
	}
	if in.Active != "" {
		out.Body.Orders = slices.DeleteFunc(slices.Clone(out.Body.Orders), func(o schemas.Order) bool { return o.Active != in.Active })
		if len(out.Body.Orders) == 0 {
			return nil, huma.Error404NotFound("the app has no endpoint in a region named " + in.Active)
		}
	}
	return out, nil
}

// one answers with the value a mirror holds for an app.
func one[V schemas.Value](s Server, app string, m *bus.Mirror[V], absent string) (*answer[V], error) {
	if _, err := s.app(app); err != nil {
		return nil, err
	}
	entry, ok := m.Get(app)
	if !ok {
		return nil, huma.Error404NotFound(absent)
	}
	return &answer[V]{entry.Value}, nil
}

// ofApp lists an app's values in the order of their keys.
func ofApp[V schemas.Value](m *bus.Mirror[V], appOf func(V) string, app string) []V {
	all := m.All()
	values := []V{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if v := all[key].Value; appOf(v) == app {
			values = append(values, v)
		}
	}
	return values
}
