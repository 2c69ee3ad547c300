package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"time"
)

var atlasShapes = []shape{
	{"atlas", "results of RIPE Atlas (/api/v2/measurements/ID/results/)", func(h head) bool { return h.has("msm_id", "prb_id", "timestamp") }, atlas},
}

// atlas reads pings, each packet a sample, and HTTP requests. All packets of a ping carry its one time, because their own is not in it.
func atlas(in *bufio.Reader, out *rows) error {
	return objects(in, []string{""}, out, func(line int, object json.RawMessage) error {
		var m struct {
			Type      string `json:"type"`
			Timestamp int64  `json:"timestamp"`
			Result    []struct {
				RTT   *float64 `json:"rtt"`
				X     string   `json:"x"`
				Error string   `json:"error"`
				Dup   int      `json:"dup"`

				Res    uint16  `json:"res"`
				RT     float64 `json:"rt"`
				TTR    float64 `json:"ttr"`
				TTC    float64 `json:"ttc"`
				TTFB   float64 `json:"ttfb"`
				Err    string  `json:"err"`
				DNSErr string  `json:"dnserr"`
			} `json:"result"`
		}
		if err := json.Unmarshal(object, &m); err != nil {
			return out.row(line, result{}, fmt.Errorf("this is no result of RIPE Atlas: %w", err))
		}
		if m.Type != "ping" && m.Type != "http" || len(m.Result) == 0 {
			return out.row(line, result{}, fmt.Errorf("type %q with %d results; those of ping and http are imported", m.Type, len(m.Result)))
		}
		for _, p := range m.Result {
			r := result{began: time.Unix(m.Timestamp, 0)}
			var err error
			switch {
			case m.Type == "http":
				r.total, r.dns, r.connect, r.status = ms(p.TTR+p.RT), ms(p.TTR), ms(p.TTC), uint32(p.Res)
				if p.TTFB > 0 {
					r.firstByte, r.transferring = ms(max(0, p.TTFB-p.TTC)), ms(max(0, p.RT-p.TTFB))
				}
				reason := p.Err
				if p.DNSErr != "" {
					reason = "dns: " + p.DNSErr
				}
				r.outcome = outcome(good(r.status) && reason == "", r.status, reason)
			case p.Dup > 0:
				continue // the same packet's answer once more
			case p.RTT != nil:
				r.total, r.outcome = ms(*p.RTT), outcome(true, 0, "")
			case p.X == "*":
				r.outcome = outcome(false, 0, "timeout")
			case p.Error != "":
				r.outcome = outcome(false, 0, p.Error)
			default:
				err = fmt.Errorf("a packet without rtt, x and error")
			}
			if err := out.row(line, r, err); err != nil {
				return err
			}
		}
		return nil
	})
}
