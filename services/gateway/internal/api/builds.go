package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/schemas"
)

// VariantBuild is the newest build of a variant, and how far its image has come.
type VariantBuild struct {
	App     string                `json:"app"`
	Variant string                `json:"variant"`
	Last    schemas.BuildFinished `json:"last" doc:"The newest build that ended, whatever its outcome"`
	Wanted  string                `json:"wanted,omitempty" doc:"Digest that every region is to hold: that of the newest build that succeeded"`
	Regions []schemas.ImageState  `json:"regions" doc:"What each region holds, in the order of their names"`
}

func (s Server) builds(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-builds", Method: http.MethodGet, Path: "/v1/apps/{app}/builds", Summary: "The newest build of each variant, newest first, with its stages and where its image is",
	}, func(_ context.Context, in *appInput) (*answer[[]VariantBuild], error) {
		if _, err := s.app(in.App); err != nil {
			return nil, err
		}
		return &answer[[]VariantBuild]{s.Builds(in.App)}, nil
	})
}

// Builds lists the newest build of each variant of an app, newest first.
func (s Server) Builds(app string) []VariantBuild {
	images := ofApp(s.State.Images, func(i schemas.ImageState) string { return i.App }, app)
	builds := []VariantBuild{}
	for _, state := range ofApp(s.State.Builds, func(b schemas.BuildState) string { return b.App }, app) {
		b := VariantBuild{App: app, Variant: state.Variant, Last: state.Last, Wanted: state.Wanted.Digest, Regions: []schemas.ImageState{}}
		for _, i := range images {
			if i.Variant == state.Variant {
				b.Regions = append(b.Regions, i)
			}
		}
		builds = append(builds, b)
	}
	slices.SortStableFunc(builds, func(a, b VariantBuild) int { return b.Last.At.Compare(a.Last.At) })
	return builds
}
