package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

type failoversInput struct {
	App string `query:"app" doc:"Only this app's"`
}

type failoverRequest struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The same key twice is one request"`
	Body struct {
		App     string `json:"app"`
		Region  string `json:"region,omitempty" doc:"Where to; empty leaves it to the ranking"`
		Variant string `json:"variant,omitempty" doc:"Which variant; empty leaves it to the ranking"`
		Reason  string `json:"reason" minLength:"1" doc:"Why; kept with the decision"`
		Actor   string `json:"actor" minLength:"1" doc:"Who asks"`
	}
}

type failoverAccepted struct {
	Status int
	Body   struct {
		Request string `json:"request" doc:"Id of the request; the plan carries it as its incident"`
	}
}

func (s Server) failovers(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-failovers", Method: http.MethodGet, Path: "/v1/failovers", Summary: "Plans, newest first, with their journals and every gate",
	}, func(_ context.Context, in *failoversInput) (*answer[[]schemas.Plan], error) {
		plans := []schemas.Plan{}
		for _, entry := range s.State.Plans.All() {
			if in.App == "" || entry.Value.App == in.App {
				plans = append(plans, entry.Value)
			}
		}
		slices.SortFunc(plans, func(a, b schemas.Plan) int { return b.At.Compare(a.At) })
		return &answer[[]schemas.Plan]{plans}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "request-failover", Method: http.MethodPost, Path: "/v1/failovers", Summary: "Ask to move an app", Security: writes, MaxBodyBytes: 64 << 10,
		DefaultStatus: http.StatusAccepted,
	}, s.requestFailover)
}

func (s Server) requestFailover(ctx context.Context, in *failoverRequest) (*failoverAccepted, error) {
	app, err := s.app(in.Body.App)
	if err != nil {
		return nil, err
	}
	if in.Body.Region != "" && !slices.Contains(app.Regions(), in.Body.Region) {
		return nil, huma.Error422UnprocessableEntity(app.Name + " has no endpoint in a region named " + in.Body.Region)
	}
	if in.Body.Variant != "" && !slices.ContainsFunc(app.Variants, func(v schemas.Variant) bool { return v.Name == in.Body.Variant }) {
		return nil, huma.Error422UnprocessableEntity(app.Name + " has no variant named " + in.Body.Variant)
	}
	event := schemas.FailoverRequested{
		Request: in.Key, App: app.Name, To: schemas.Candidate{Region: in.Body.Region, Variant: in.Body.Variant},
		Actor: in.Body.Actor, Reason: in.Body.Reason, At: time.Now().UTC(),
	}
	if event.Request == "" {
		event.Request = uuid.NewString()
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := bus.Publish(ctx, s.Bus, schemas.FailoverRequestedTopic, event); err != nil {
		return nil, huma.Error503ServiceUnavailable("the request could not be stored; send it again with the same Idempotency-Key", err)
	}
	out := &failoverAccepted{Status: http.StatusAccepted}
	out.Body.Request = event.Request
	return out, nil
}
