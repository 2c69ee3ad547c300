package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/gate"
	"github.com/leeward-failover/leeward/schemas"
)

// OverrideOrder is what a person orders of a region or candidate.
type OverrideOrder struct {
	Kind  string `json:"kind" enum:"pin,exclude" doc:"pin allows nothing else of the app, exclude never allows it"`
	Why   string `json:"why" minLength:"1" maxLength:"500" doc:"Shown wherever it keeps traffic away"`
	Actor string `json:"actor" minLength:"1" maxLength:"100" doc:"Who orders it"`
	For   string `json:"for" minLength:"1" maxLength:"20" doc:"How long, as 30m, 2h or 24h; at most 720h"`
}

// OverridePlace is what an order is about.
type OverridePlace struct {
	App     string `path:"app" doc:"Name of the app"`
	Region  string `path:"region" doc:"Name of the region"`
	Variant string `query:"variant" doc:"Only this variant; default all of the region"`
}

type overrideRequest struct {
	OverridePlace
	Body OverrideOrder
}

func (s Server) overrides(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-overrides", Method: http.MethodGet, Path: "/v1/apps/{app}/overrides", Summary: "What people ordered of the app's regions, as far as it has not ended",
	}, func(_ context.Context, in *appInput) (*answer[[]schemas.Override], error) {
		app, err := s.app(in.App)
		if err != nil {
			return nil, err
		}
		all := ofApp(s.State.Overrides, func(o schemas.Override) string { return o.App }, app.Name)
		return &answer[[]schemas.Override]{append([]schemas.Override{}, gate.InForce(app, all, time.Now())...)}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "put-override", Method: http.MethodPut, Path: "/v1/apps/{app}/overrides/{region}", Summary: "Pin or exclude a region, or one variant in it, for a time", Security: writes, MaxBodyBytes: 64 << 10,
	}, s.putOverride)
	huma.Register(api, huma.Operation{
		OperationID: "delete-override", Method: http.MethodDelete, Path: "/v1/apps/{app}/overrides/{region}", Summary: "End an order before its time", Security: writes,
	}, s.deleteOverride)
}

// ordered refuses an order about what the app does not have.
func (s Server) ordered(in OverridePlace) error {
	app, err := s.app(in.App)
	if err != nil {
		return err
	}
	o := schemas.Override{Region: in.Region, Variant: in.Variant}
	if !slices.ContainsFunc(app.Endpoints, func(e schemas.Endpoint) bool { return o.Covers(e.Candidate()) }) {
		return huma.Error422UnprocessableEntity(fmt.Sprintf("%s has no endpoint in %s", app.Name, o.Scope()))
	}
	return nil
}

func (s Server) putOverride(ctx context.Context, in *overrideRequest) (*answer[schemas.Override], error) {
	if err := s.ordered(in.OverridePlace); err != nil {
		return nil, err
	}
	life, err := time.ParseDuration(in.Body.For)
	if err != nil || life < time.Second || life > schemas.LongestOverride {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("for: %q is not a duration from 1s to %s, such as 2h; what is to last longer belongs in leeward.yaml", in.Body.For, schemas.LongestOverride))
	}
	at := time.Now().UTC()
	o := schemas.Override{App: in.App, Region: in.Region, Variant: in.Variant, Kind: in.Body.Kind, Why: in.Body.Why, Who: in.Body.Actor, At: at, Until: at.Add(life)}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// The key outlives what it says by up to a second, in which readers know by themselves that it has ended.
	if _, err := bus.Put(ctx, s.Bus, schemas.OverrideBucket, o, bus.Condition{TTL: (life + time.Second).Truncate(time.Second)}); err != nil {
		return nil, huma.Error503ServiceUnavailable("the order could not be stored; give it again", err)
	}
	s.Log.Info().Str("app", o.App).Str("kind", o.Kind).Str("scope", o.Scope()).Str("who", o.Who).Str("why", o.Why).Time("until", o.Until).Msg("override set")
	return &answer[schemas.Override]{o}, nil
}

// deleteOverride ends an order; the answer is what it was.
func (s Server) deleteOverride(ctx context.Context, in *OverridePlace) (*answer[schemas.Override], error) {
	if _, err := s.app(in.App); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	key := schemas.Override{App: in.App, Region: in.Region, Variant: in.Variant}
	entry, err := bus.Get(ctx, s.Bus, schemas.OverrideBucket, key.Key()...)
	if err == nil {
		err = bus.Delete(ctx, s.Bus, schemas.OverrideBucket, entry.Revision, key.Key()...)
	}
	switch {
	case errors.Is(err, bus.ErrNotFound):
		return nil, huma.Error404NotFound(fmt.Sprintf("nothing is ordered of %s in %s", in.App, key.Scope()))
	case errors.Is(err, bus.ErrConflict):
		return nil, huma.Error409Conflict("someone else ordered something at the same time; look and try again")
	case err != nil:
		return nil, huma.Error503ServiceUnavailable("the order could not be ended; try again", err)
	}
	s.Log.Info().Str("app", in.App).Str("kind", entry.Value.Kind).Str("scope", key.Scope()).Str("who", entry.Value.Who).Msg("override cleared")
	return &answer[schemas.Override]{entry.Value}, nil
}
