package importer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var k6Shapes = []shape{
	{"k6", "the lines of `k6 run --out json=FILE`", func(h head) bool { return h.has("type", "metric", "data") }, k6Lines},
	{"k6", "the table of `k6 run --out csv=FILE`", func(h head) bool { return strings.HasPrefix(h.first, "metric_name,timestamp,metric_value") }, k6Table},
	{"k6", "k6's summary", func(h head) bool {
		return h.has("metrics", "root_group") || h.has("results.metrics", "config") || h.has("metrics.http_req_duration") || h.has("metrics.iterations")
	}, refuse("a summary of k6 holds percentiles, no requests, and none are made up of them: run it with `k6 run --out json=FILE` and import that")},
}

// answered is the metric by which a script tells who answered a request, when it goes through an entry point: its value is the request's
// latency in milliseconds, its tags are region, variant and status, and optionally connect, tls, send, wait and receive in milliseconds.
const answered = "leeward_request"

// point is one value of one metric, which is a line of k6's output.
type point struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Data   struct {
		Time  time.Time         `json:"time"`
		Value float64           `json:"value"`
		Tags  map[string]string `json:"tags"`
	} `json:"data"`
}

// k6Lines reads a line per value. A request is a sample: one that the script told of with the metric leeward_request,
// or, in a file without any, one of k6's own, whose phases are values of their own on the lines that follow each other.
func k6Lines(in *bufio.Reader, out *rows) error {
	own := &k6Requests{out: out}
	err := lines(in, out, func(number int, line []byte) error {
		var p point
		if err := json.Unmarshal(line, &p); err != nil {
			return out.row(number, result{}, fmt.Errorf("this is no line of k6's JSON output: %w", err))
		}
		if p.Type != "Point" {
			return nil
		}
		return own.add(number, p)
	})
	if err != nil {
		return err
	}
	return own.end()
}

// k6Table reads the same values from CSV, whose columns differ from version to version; tags of the script's own are in one of them.
func k6Table(in *bufio.Reader, out *rows) error {
	own := &k6Requests{out: out}
	err := table(in, ',', nil, out, func(line int, c *cells) error {
		p := point{Metric: c.get("metric_name")}
		if p.Metric != answered && !strings.HasPrefix(p.Metric, "http_req") {
			return nil
		}
		var failed [2]error
		p.Data.Time, failed[0] = k6Time(c.get("timestamp"))
		if p.Data.Value, failed[1] = strconv.ParseFloat(c.get("metric_value"), 64); failed[1] != nil {
			failed[1] = fmt.Errorf("metric_value: %q is not a number", c.get("metric_value"))
		}
		if err := errors.Join(failed[:]...); err != nil {
			return out.row(line, result{}, err)
		}
		p.Data.Tags = map[string]string{"status": c.get("status"), "error": c.get("error"), "error_code": c.get("error_code")}
		for _, tag := range strings.Split(c.get("extra_tags"), "&") {
			name, value, _ := strings.Cut(tag, "=")
			p.Data.Tags[name] = value
		}
		return own.add(line, p)
	})
	if err != nil {
		return err
	}
	return own.end()
}

// k6Time reads a time as K6_CSV_TIME_FORMAT has it written; how many digits there are tells the unit.
func k6Time(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	unit, ok := map[int]time.Duration{10: time.Second, 13: time.Millisecond, 16: time.Microsecond, 19: time.Nanosecond}[len(text)]
	if err != nil || !ok {
		return time.Time{}, fmt.Errorf("timestamp: %q is not a time in any format of K6_CSV_TIME_FORMAT", text)
	}
	return time.Unix(0, n*int64(unit)), nil
}

// k6Requests puts the values of k6's own metrics together again.
type k6Requests struct {
	out *rows
	// told says that the script tells of its requests itself.
	told bool
	// held are k6's own requests as long as the script may yet turn out to tell of them.
	held    []heldRequest
	open    map[string]float64
	current point
	line    int
}

type heldRequest struct {
	line int
	result
}

// holdAtMost is how many of k6's own requests are kept in memory: a script that tells of its requests does so from the first one on.
const holdAtMost = 10_000

func (k *k6Requests) add(line int, p point) error {
	if p.Metric == answered {
		k.told, k.held, k.open = true, nil, nil
		r, err := toldBy(p)
		return k.out.row(line, r, err)
	}
	if k.told || !strings.HasPrefix(p.Metric, "http_req") {
		return nil
	}
	if _, again := k.open[p.Metric]; again || !p.Data.Time.Equal(k.current.Data.Time) {
		if err := k.close(); err != nil {
			return err
		}
	}
	if k.open == nil {
		k.open, k.current, k.line = map[string]float64{}, p, line
	}
	k.open[p.Metric] = p.Data.Value
	return nil
}

// close makes a result of the values gathered.
func (k *k6Requests) close() error {
	values, tags := k.open, k.current.Data.Tags
	k.open = nil
	if _, ok := values["http_req_duration"]; !ok {
		return nil
	}
	// What k6 calls blocked is everything until there is a connection, the handshakes included.
	r := result{
		total: ms(values["http_req_blocked"] + values["http_req_duration"]), connect: ms(values["http_req_connecting"]), tls: ms(values["http_req_tls_handshaking"]),
		sending: ms(values["http_req_sending"]), firstByte: ms(values["http_req_waiting"]), transferring: ms(values["http_req_receiving"]),
		status: statusOf(tags["status"]), region: tags["region"], variant: tags["variant"],
	}
	r.outcome = outcome(values["http_req_failed"] == 0, r.status, k6Reason(tags))
	r.began = k.current.Data.Time.Add(-r.total)
	k.held = append(k.held, heldRequest{k.line, r})
	if len(k.held) < holdAtMost {
		return nil
	}
	return k.release()
}

func (k *k6Requests) release() error {
	held := k.held
	k.held = nil
	for _, h := range held {
		if err := k.out.row(h.line, h.result, nil); err != nil {
			return err
		}
	}
	return nil
}

func (k *k6Requests) end() error {
	if err := k.close(); err != nil {
		return err
	}
	return k.release()
}

// toldBy reads a request that the script tells of.
func toldBy(p point) (result, error) {
	tags := p.Data.Tags
	r := result{total: ms(p.Data.Value), region: tags["region"], variant: tags["variant"], status: statusOf(tags["status"])}
	r.outcome = outcome(good(r.status), r.status, k6Reason(tags))
	r.began = p.Data.Time.Add(-r.total)
	c := cells{get: func(tag string) string { return tags[tag] }}
	for tag, phase := range map[string]*time.Duration{"connect": &r.connect, "tls": &r.tls, "send": &r.sending, "wait": &r.firstByte, "receive": &r.transferring} {
		*phase = c.duration(tag, time.Millisecond)
	}
	return r, errors.Join(c.problems...)
}

// k6Codes are the errors that k6 numbers, in words.
var k6Codes = map[string]string{"1050": "timeout", "1101": "no such host", "1211": "timeout", "1212": "refused"}

func k6Reason(tags map[string]string) string {
	return k6Codes[tags["error_code"]] + " " + tags["error"]
}
