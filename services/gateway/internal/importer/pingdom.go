package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"time"
)

var pingdomShapes = []shape{
	{"pingdom", "results of Pingdom (/api/3.1/results/ID)", func(h head) bool { return h.has("results.probeid", "results.time", "results.status") }, pingdom},
}

func pingdom(in *bufio.Reader, out *rows) error {
	return objects(in, []string{"results"}, out, func(line int, object json.RawMessage) error {
		var p struct {
			Time         int64   `json:"time"`
			Status       string  `json:"status"`
			ResponseTime float64 `json:"responsetime"`
			Desc         string  `json:"statusdesc"`
			DescLong     string  `json:"statusdesclong"`
		}
		err := json.Unmarshal(object, &p)
		switch {
		case err != nil:
			err = fmt.Errorf("this is no result of Pingdom: %w", err)
		case p.Status != "up" && p.Status != "down" && p.Status != "unconfirmed_down":
			err = fmt.Errorf("status %q is no measurement", p.Status)
		}
		return out.row(line, result{began: time.Unix(p.Time, 0), total: ms(p.ResponseTime), outcome: outcome(p.Status == "up", 0, p.Desc+" "+p.DescLong)}, err)
	})
}
