package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/state"
)

type topologyInput struct {
	File    string `header:"X-Leeward-File" doc:"Name of the file, for messages"`
	IfMatch string `header:"If-Match" doc:"Hash of the topology that is to be replaced; needed once there is one"`
	RawBody []byte `contentType:"application/yaml"`
}

type topologyOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Hash     string           `json:"hash"`
		Changed  bool             `json:"changed"`
		Topology schemas.Topology `json:"topology"`
	}
}

func (s Server) topology(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-topology", Method: http.MethodGet, Path: "/v1/topology", Summary: "The accepted leeward.yaml",
	}, func(context.Context, *struct{}) (*topologyOutput, error) {
		t, err := s.State.CurrentTopology()
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		if t.Version == 0 {
			return nil, huma.Error404NotFound("no topology has been applied yet: leeward apply leeward.yaml")
		}
		return topologyAnswer(t, false), nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "put-topology", Method: http.MethodPut, Path: "/v1/topology", Summary: "Apply a leeward.yaml", Security: writes, MaxBodyBytes: config.MaxBytes,
	}, s.putTopology)
}

func topologyAnswer(t schemas.Topology, changed bool) *topologyOutput {
	out := &topologyOutput{ETag: `"` + t.Hash() + `"`}
	out.Body.Hash, out.Body.Changed, out.Body.Topology = t.Hash(), changed, t
	return out
}

func (s Server) putTopology(ctx context.Context, in *topologyInput) (*topologyOutput, error) {
	name := in.File
	if name == "" {
		name = "leeward.yaml"
	}
	declared, err := config.Parse(name, in.RawBody)
	var problems config.Problems
	if errors.As(err, &problems) {
		details := make([]error, len(problems))
		for i, p := range problems {
			details[i] = &huma.ErrorDetail{Message: p.Message, Location: fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column), Value: p.Hint}
		}
		return nil, huma.Error422UnprocessableEntity("the file has problems; nothing was changed", details...)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	current, err := bus.Get(ctx, s.Bus, schemas.TopologyBucket, schemas.CurrentKey)
	switch {
	case errors.Is(err, bus.ErrNotFound):
	case err != nil:
		return nil, huma.Error503ServiceUnavailable("the bus does not answer; nothing was changed", err)
	case in.IfMatch == "":
		return nil, huma.NewError(http.StatusPreconditionRequired, "If-Match must name the topology to replace, now "+current.Value.Current.Hash)
	case in.IfMatch != "*" && strings.Trim(in.IfMatch, `"`) != current.Value.Current.Hash:
		return nil, huma.Error412PreconditionFailed("the topology is now " + current.Value.Current.Hash + "; someone else applied one. Nothing was changed")
	}
	next, err := s.discovered(ctx, declared)
	if err != nil {
		return nil, err
	}
	previous := ""
	if current.Value.Current != nil {
		previous = current.Value.Current.Hash
	}
	if previous == next.Hash() {
		return topologyAnswer(next, false), nil
	}
	err = s.State.Replace(ctx, next, "api", previous, current.Revision)
	switch {
	case errors.Is(err, bus.ErrConflict):
		return nil, huma.Error409Conflict("someone else applied a topology at the same time, or discovery changed it; read it and apply again")
	case errors.Is(err, state.ErrUntold):
		return nil, huma.Error503ServiceUnavailable(err.Error())
	case err != nil:
		return nil, huma.Error503ServiceUnavailable("the bus does not answer; apply again", err)
	}
	return topologyAnswer(next, true), nil
}

// discovered adds to a file what its entries of discover find now. What is still missing then is a problem of the file's.
func (s Server) discovered(ctx context.Context, declared schemas.Topology) (schemas.Topology, error) {
	next, looks := s.Discover.Fill(ctx, declared)
	problems := config.Check(next)
	if len(problems) == 0 {
		if err := state.Fit(next); err != nil {
			return next, huma.Error422UnprocessableEntity(err.Error() + "; nothing was changed")
		}
		return next, nil
	}
	var details []error
	for _, p := range problems {
		details = append(details, &huma.ErrorDetail{Message: p.Message, Value: p.Hint})
	}
	for _, look := range looks {
		for _, why := range look.Troubles() {
			details = append(details, &huma.ErrorDetail{Message: why, Location: look.App + ": discover " + look.Name, Value: look.Place})
		}
	}
	return next, huma.Error422UnprocessableEntity("with what was discovered the topology has problems; nothing was changed", details...)
}
