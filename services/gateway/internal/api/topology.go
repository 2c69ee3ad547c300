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
	next, err := config.Parse(name, in.RawBody)
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
	previous := ""
	if current.Value.Current != nil {
		previous = current.Value.Current.Hash
	}
	if previous == next.Hash() {
		return topologyAnswer(next, false), nil
	}
	if err := s.store(ctx, next, previous, current.Revision); err != nil {
		return nil, err
	}
	return topologyAnswer(next, true), nil
}

// store writes the parts, the index last and only if nobody else wrote it since it was read, and then removes the parts of the topology before.
func (s Server) store(ctx context.Context, t schemas.Topology, previous string, revision uint64) error {
	at := time.Now().UTC()
	replaced := s.State.Topology.All()
	for _, part := range t.Parts("api", at) {
		condition := bus.Condition{}
		if part.Current != nil {
			condition.Revision = bus.At(revision)
		}
		_, err := bus.Put(ctx, s.Bus, schemas.TopologyBucket, part, condition)
		if errors.Is(err, bus.ErrConflict) {
			return huma.Error409Conflict("someone else applied a topology at the same time; read it and apply again")
		}
		if err != nil {
			return huma.Error503ServiceUnavailable("the bus does not answer; apply again", err)
		}
	}
	event := schemas.TopologyChanged{Hash: t.Hash(), Previous: previous, Actor: "api", At: at}
	if err := bus.Publish(ctx, s.Bus, schemas.TopologyChangedTopic, event); err != nil {
		return huma.Error503ServiceUnavailable("the topology was applied, but its event could not be stored", err)
	}
	s.forget(ctx, previous, replaced)
	return nil
}

// forget removes the parts of a topology that was replaced. A part's revision guards it against someone who applies that topology again right now; what stays behind is in nobody's way.
func (s Server) forget(ctx context.Context, hash string, parts map[string]bus.Entry[schemas.TopologyPart]) {
	for _, part := range parts {
		if part.Value.Current != nil || part.Value.Topology != hash {
			continue
		}
		if err := bus.Delete(ctx, s.Bus, schemas.TopologyBucket, part.Revision, part.Value.Key()...); err != nil {
			s.Log.Warn().Err(err).Str("topology", hash).Msg("replaced part not removed")
		}
	}
}
