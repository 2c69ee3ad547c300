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
	App   string `query:"app" doc:"Only this app's"`
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"How many, the newest"`
}

type failoverRequest struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The same key twice is one request"`
	Body struct {
		App     string `json:"app"`
		Region  string `json:"region,omitempty" doc:"Where to; empty leaves it to the ranking"`
		Variant string `json:"variant,omitempty" doc:"Which variant; empty leaves it to the ranking"`
		Force   bool   `json:"force,omitempty" doc:"Insist on the region although gates of it fail; where traffic is already, or no target could send it, nothing helps"`
		Reason  string `json:"reason" minLength:"1" doc:"Why; kept with the decision"`
		Actor   string `json:"actor" minLength:"1" doc:"Who asks"`
	}
}

type previewRequest struct {
	Body struct {
		App     string `json:"app"`
		Region  string `json:"region,omitempty" doc:"Where to; empty leaves it to the ranking"`
		Variant string `json:"variant,omitempty" doc:"Which variant; empty leaves it to the ranking"`
		Force   bool   `json:"force,omitempty" doc:"As in a request: which gates would be forced"`
		Lost    string `json:"lost,omitempty" doc:"Suppose that every vantage judges this region down"`
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
		return &answer[[]schemas.Plan]{s.Failovers(in.App, in.Limit)}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "preview-failover", Method: http.MethodPost, Path: "/v1/failovers/preview", Summary: "What moving an app would come to now; nothing is changed", Security: writes, MaxBodyBytes: 64 << 10,
	}, func(ctx context.Context, in *previewRequest) (*answer[schemas.Plan], error) {
		plan, err := s.Preview(ctx, schemas.FailoverRequested{
			App: in.Body.App, To: schemas.Candidate{Region: in.Body.Region, Variant: in.Body.Variant}, Force: in.Body.Force, Lost: in.Body.Lost, Actor: in.Body.Actor,
		})
		return &answer[schemas.Plan]{plan}, err
	})
	huma.Register(api, huma.Operation{
		OperationID: "request-failover", Method: http.MethodPost, Path: "/v1/failovers", Summary: "Ask to move an app", Security: writes, MaxBodyBytes: 64 << 10,
		DefaultStatus: http.StatusAccepted,
	}, s.requestFailover)
}

// Failovers lists the newest plans of an app, or of all, without those that were only previewed.
func (s Server) Failovers(app string, limit int) []schemas.Plan {
	plans := []schemas.Plan{}
	for _, entry := range s.State.Plans.All() {
		if p := entry.Value; p.State != schemas.PlanPreviewed && (app == "" || p.App == app) {
			plans = append(plans, p)
		}
	}
	slices.SortFunc(plans, func(a, b schemas.Plan) int { return b.At.Compare(a.At) })
	return plans[:min(limit, len(plans))]
}

// place refuses a request for what the app does not have.
func (s Server) place(e schemas.FailoverRequested) error {
	app, err := s.app(e.App)
	if err != nil {
		return err
	}
	for _, region := range []string{e.To.Region, e.Lost} {
		if region != "" && !slices.Contains(app.Regions(), region) {
			return huma.Error422UnprocessableEntity(app.Name + " has no endpoint in a region named " + region)
		}
	}
	if e.To.Variant != "" && !slices.ContainsFunc(app.Variants, func(v schemas.Variant) bool { return v.Name == e.To.Variant }) {
		return huma.Error422UnprocessableEntity(app.Name + " has no variant named " + e.To.Variant)
	}
	if e.Force && e.To.Region == "" {
		return huma.Error422UnprocessableEntity("to insist is to name a region: the ranking is not forced to choose what fails its gates")
	}
	return nil
}

func (s Server) requestFailover(ctx context.Context, in *failoverRequest) (*failoverAccepted, error) {
	event := schemas.FailoverRequested{
		Request: in.Key, App: in.Body.App, To: schemas.Candidate{Region: in.Body.Region, Variant: in.Body.Variant}, Force: in.Body.Force,
		Actor: in.Body.Actor, Reason: in.Body.Reason, At: time.Now().UTC(),
	}
	if err := s.place(event); err != nil {
		return nil, err
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

// previewWithin is how long the failover-actuator may take to answer a preview: it does one thing at a time for an app.
const previewWithin = 5 * time.Second

// Preview asks the failover-actuator what a request would come to. The actuator decides as it would for a real one, and neither acts nor takes an epoch.
func (s Server) Preview(ctx context.Context, e schemas.FailoverRequested) (schemas.Plan, error) {
	e.Request, e.DryRun, e.At = uuid.NewString(), true, time.Now().UTC()
	if err := s.place(e); err != nil {
		return schemas.Plan{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, previewWithin)
	defer cancel()
	if err := bus.Publish(ctx, s.Bus, schemas.FailoverRequestedTopic, e); err != nil {
		return schemas.Plan{}, huma.Error503ServiceUnavailable("the bus does not answer; ask again", err)
	}
	for {
		changed := s.State.Plans.Changed()
		if entry, ok := s.State.Plans.Get(e.App, schemas.PreviewID(e.Request)); ok {
			return entry.Value, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return schemas.Plan{}, huma.Error503ServiceUnavailable("the failover-actuator did not answer: it is away, or busy moving " + e.App + "; `leeward doctor` and `leeward failover status` tell")
		}
	}
}
