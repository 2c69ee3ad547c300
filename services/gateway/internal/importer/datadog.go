package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"time"
)

var datadogShapes = []shape{
	{"datadog", "results of a Datadog API test (/api/v1/synthetics/tests/ID/results)", func(h head) bool { return h.has("results.check_time", "results.result") }, datadog},
}

// datadog reads results, of which the API gives the newest 150. Its handshake and ssl are one phase, and its firstByte is the wait for it.
func datadog(in *bufio.Reader, out *rows) error {
	return objects(in, []string{"results"}, out, func(line int, object json.RawMessage) error {
		var d struct {
			CheckTime float64 `json:"check_time"`
			Result    struct {
				Passed  *bool  `json:"passed"`
				Code    uint16 `json:"httpStatusCode"`
				Error   string `json:"errorCode"`
				Message string `json:"errorMessage"`
				Timings struct {
					DNS       float64 `json:"dns"`
					TCP       float64 `json:"tcp"`
					SSL       float64 `json:"ssl"`
					Handshake float64 `json:"handshake"`
					FirstByte float64 `json:"firstByte"`
					Download  float64 `json:"download"`
					Total     float64 `json:"total"`
				} `json:"timings"`
			} `json:"result"`
		}
		err := json.Unmarshal(object, &d)
		switch {
		case err != nil:
			return out.row(line, result{}, fmt.Errorf("this is no result of a Datadog API test: %w", err))
		case d.Result.Passed == nil:
			return out.row(line, result{}, fmt.Errorf("result.passed is missing: whether it went well is not known"))
		}
		t := d.Result.Timings
		r := result{
			began: time.UnixMilli(int64(d.CheckTime)), total: ms(t.Total), dns: ms(t.DNS), connect: ms(t.TCP), tls: ms(max(t.SSL, t.Handshake)),
			firstByte: ms(t.FirstByte), transferring: ms(t.Download), status: uint32(d.Result.Code),
		}
		r.outcome = outcome(*d.Result.Passed, r.status, d.Result.Error+" "+d.Result.Message)
		return out.row(line, r, nil)
	})
}
