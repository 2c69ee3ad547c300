package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/schemas"
)

func (s Server) discoveries(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-discoveries", Method: http.MethodGet, Path: "/v1/discoveries", Summary: "What came of the latest look at each entry of discover",
	}, func(context.Context, *struct{}) (*answer[[]schemas.DiscoveryState], error) {
		all := values(s.State.Discoveries)
		slices.SortFunc(all, func(a, b schemas.DiscoveryState) int {
			return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Name, b.Name))
		})
		return &answer[[]schemas.DiscoveryState]{all}, nil
	})
}
