package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

var dynatraceShapes = []shape{
	{"dynatrace", "executions of a Dynatrace HTTP monitor (/api/v2/synthetic/execution/ID/SUCCESS or FAILED)", func(h head) bool {
		return h.has("locationsExecutionResults.requestResults.startTimestamp") || h.has("simpleResults.startTimestamp") || h.has("executions.simpleResults.startTimestamp")
	}, dynatrace},
}

// number is one that may stand in quotes.
type number float64

func (n *number) UnmarshalJSON(text []byte) error {
	return json.Unmarshal([]byte(strings.Trim(string(text), `"`)), (*float64)(n))
}

// dynatrace reads the requests of the newest execution at each location. The time to the first byte counts from the start of the request.
func dynatrace(in *bufio.Reader, out *rows) error {
	return objects(in, []string{"locationsExecutionResults.requestResults", "simpleResults", "executions.simpleResults"}, out, func(line int, object json.RawMessage) error {
		var d struct {
			Start     number `json:"startTimestamp"`
			Health    string `json:"healthStatus"`
			Status    string `json:"status"`
			Code      number `json:"responseStatusCode"`
			DNS       number `json:"hostNameResolutionTime"`
			Connect   number `json:"tcpConnectTime"`
			TLS       number `json:"tlsHandshakeTime"`
			FirstByte number `json:"timeToFirstByte"`
			Total     number `json:"totalTime"`
			Message   string `json:"failureMessage"`
		}
		if err := json.Unmarshal(object, &d); err != nil {
			return out.row(line, result{}, fmt.Errorf("this is no execution of a Dynatrace HTTP monitor: %w", err))
		}
		health := d.Health
		if health == "" {
			health = d.Status
		}
		r := result{began: time.UnixMilli(int64(d.Start)), total: ms(float64(d.Total)), dns: ms(float64(d.DNS)), connect: ms(float64(d.Connect)), tls: ms(float64(d.TLS)), status: uint32(max(0, min(d.Code, 999)))}
		if before := d.DNS + d.Connect + d.TLS; d.FirstByte > before {
			r.firstByte, r.transferring = ms(float64(d.FirstByte-before)), ms(float64(max(0, d.Total-d.FirstByte)))
		}
		r.outcome = outcome(health == "HEALTHY" || health == "SUCCESS", r.status, d.Message+" "+health)
		return out.row(line, r, nil)
	})
}
