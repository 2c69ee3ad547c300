package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/schemas"
)

type samplesInput struct {
	RawBody []byte `contentType:"application/x-protobuf"`
}

type samplesOutput struct {
	Body struct {
		Samples int `json:"samples" doc:"Samples stored"`
	}
}

func (s Server) samples(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "import-samples", Method: http.MethodPost, Path: "/v1/samples", Summary: "Store results of a load generator",
		Description: "A SampleBatch of the vantage import and the kind bench in its wire form, as `leeward import` sends it; the answer comes after the bus has stored it. The same batch within ten minutes is stored once.",
		Security:    writes, MaxBodyBytes: 4 << 20,
	}, s.postSamples)
}

func (s Server) postSamples(ctx context.Context, in *samplesInput) (*samplesOutput, error) {
	batch, err := schemas.DecodeSampleBatch(schemas.SampleSubject(schemas.ImportVantage), in.RawBody)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("this is no batch of imported samples; nothing was stored", err)
	}
	if err := s.storeSamples(ctx, batch); err != nil {
		return nil, err
	}
	out := &samplesOutput{}
	out.Body.Samples = batch.Len()
	return out, nil
}

// storeSamples stores imported samples of what the topology has.
func (s Server) storeSamples(ctx context.Context, batch *schemas.SampleBatch) error {
	t, err := s.State.CurrentTopology()
	if err != nil {
		return huma.Error503ServiceUnavailable(err.Error())
	}
	if err := known(t, batch); err != nil {
		return huma.Error422UnprocessableEntity("the batch was not stored", err)
	}
	batch.Topology = t.Hash()
	data, err := batch.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := s.Bus.PublishRaw(ctx, schemas.SampleSubject(schemas.ImportVantage), batch.MessageID(), data); err != nil {
		return huma.Error503ServiceUnavailable("the bus does not answer; the batch may or may not be stored, send it again", err)
	}
	return nil
}

// known refuses samples that are no imports or of what the topology does not have. Each problem is told once, not once per sample.
func known(t schemas.Topology, b *schemas.SampleBatch) error {
	if _, ok := t.Region(b.VantageRegion); !ok && b.VantageRegion != "" {
		return fmt.Errorf("the load came from %s, which is no region of the topology", b.VantageRegion)
	}
	type what struct{ app, region, variant string }
	seen := map[what]bool{}
	var problems []error
	for i := range b.Len() {
		s := b.At(i)
		if s.Kind != schemas.KindBench {
			return fmt.Errorf("sample %d is of kind %s; imported ones are of kind bench", i, s.Kind)
		}
		w := what{s.App, s.Region, s.Variant}
		if seen[w] {
			continue
		}
		seen[w] = true
		app, ok := t.App(s.App)
		if !ok {
			problems = append(problems, fmt.Errorf("there is no app named %s in the topology", s.App))
			continue
		}
		if _, ok := app.Endpoint(schemas.Candidate{Region: s.Region, Variant: s.Variant}); !ok {
			problems = append(problems, fmt.Errorf("app %s has no endpoint of variant %s in region %s", s.App, s.Variant, s.Region))
		}
	}
	return errors.Join(problems...)
}
