package api

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/importer"
)

type importInput struct {
	Format  string    `path:"format" doc:"Format of the results, or auto, which goes by their content" example:"auto"`
	App     string    `query:"app" required:"true" doc:"App that the results are about"`
	Region  string    `query:"region" doc:"Region that answered, where the results do not say"`
	Variant string    `query:"variant" doc:"Variant that answered, where the results do not say"`
	From    string    `query:"from" doc:"Region that the load came from, if any"`
	Time    time.Time `query:"time" doc:"When the run began or the measurement was, where the results do not say"`
	RawBody []byte    `contentType:"application/octet-stream"`
}

type importOutput struct{ Body importer.Report }

func (s Server) imports(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "import-results", Method: http.MethodPost, Path: "/v1/import/{format}", Summary: "Import results of a load generator or another monitor",
		Description: "The results as their tool wrote them, at most 64 MiB; `leeward import` takes files of any size. The formats are " + strings.Join(importer.Formats(), ", ") +
			". Rows that are no samples are left out and told of. The same results within ten minutes are stored once.",
		Security: writes, MaxBodyBytes: 64 << 20, BodyReadTimeout: time.Minute,
	}, s.postResults)
}

func (s Server) postResults(ctx context.Context, in *importInput) (*importOutput, error) {
	results, err := importer.Read(bytes.NewReader(in.RawBody), in.Format, importer.Target{App: in.App, Region: in.Region, Variant: in.Variant, From: in.From, Time: in.Time})
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("nothing was imported", err)
	}
	t, err := s.State.CurrentTopology()
	if err != nil {
		return nil, huma.Error503ServiceUnavailable(err.Error())
	}
	if err := results.Send(func(batch *schemas.SampleBatch) error { return known(t, batch) }); err != nil {
		return nil, huma.Error422UnprocessableEntity("nothing was imported", err)
	}
	if err := results.Send(func(batch *schemas.SampleBatch) error { return s.storeSamples(ctx, batch) }); err != nil {
		return nil, err
	}
	return &importOutput{results.Report}, nil
}
