package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// maxLine bounds a line of a results file: a script may tag a request with whole addresses, never with megabytes.
const maxLine = 1 << 20

// answered is the metric by which a script tells who answered a request, when it goes through an entry point: its value is the request's
// latency in milliseconds, its tags are region, variant and status, and optionally connect, tls, send, wait and receive in milliseconds.
const answered = "leeward_request"

// point is one line of k6's JSON output, which holds one value of one metric.
type point struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Data   struct {
		Time  time.Time         `json:"time"`
		Value float64           `json:"value"`
		Tags  map[string]string `json:"tags"`
	} `json:"data"`
}

// K6 reads what `k6 run --out json=FILE` writes. A request is a sample: one that the script told of with the metric leeward_request,
// or, in a file without any, one of k6's own, whose phases are values of their own on the lines that follow each other.
func K6(r io.Reader, t Target, emit func(schemas.Sample) error) error {
	own := &k6Requests{target: t, emit: emit}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for number := 1; lines.Scan(); number++ {
		var p point
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return fmt.Errorf("line %d is not a line of k6's JSON output (k6 run --out json=FILE): %w", number, err)
		}
		if p.Type != "Point" {
			continue
		}
		if err := own.add(p); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return own.end()
}

// k6Requests puts the values of k6's own metrics together again.
type k6Requests struct {
	target Target
	emit   func(schemas.Sample) error
	// told says that the script tells of its requests itself.
	told bool
	// held are k6's own requests as long as the script may yet turn out to tell of them.
	held    []result
	open    map[string]float64
	current point
}

// holdAtMost is how many of k6's own requests are kept in memory: a script that tells of its requests does so from the first one on.
const holdAtMost = 10_000

func (k *k6Requests) add(p point) error {
	if p.Metric == answered {
		k.told, k.held, k.open = true, nil, nil
		r, err := toldBy(p)
		if err != nil {
			return err
		}
		return k.send(r)
	}
	if k.told || len(p.Metric) < len("http_req") || p.Metric[:len("http_req")] != "http_req" {
		return nil
	}
	if _, again := k.open[p.Metric]; again || !p.Data.Time.Equal(k.current.Data.Time) {
		if err := k.close(); err != nil {
			return err
		}
	}
	if k.open == nil {
		k.open, k.current = map[string]float64{}, p
	}
	k.open[p.Metric] = p.Data.Value
	return nil
}

// close makes a result of the values gathered.
func (k *k6Requests) close() error {
	values, p := k.open, k.current
	k.open = nil
	if _, ok := values["http_req_duration"]; !ok {
		return nil
	}
	ms := func(metric string) time.Duration { return time.Duration(values[metric] * float64(time.Millisecond)) }
	// What k6 calls blocked is everything until there is a connection, the handshakes included.
	r := result{
		total: ms("http_req_blocked") + ms("http_req_duration"), connect: ms("http_req_connecting"), tls: ms("http_req_tls_handshaking"), sending: ms("http_req_sending"),
		firstByte: ms("http_req_waiting"), transferring: ms("http_req_receiving"), status: statusOf(p.Data.Tags["status"]),
		ok: values["http_req_failed"] == 0, timedOut: p.Data.Tags["error_code"] == "1050", region: p.Data.Tags["region"], variant: p.Data.Tags["variant"],
	}
	r.began = p.Data.Time.Add(-r.total)
	k.held = append(k.held, r)
	if len(k.held) < holdAtMost {
		return nil
	}
	return k.release()
}

func (k *k6Requests) release() error {
	held := k.held
	k.held = nil
	for _, r := range held {
		if err := k.send(r); err != nil {
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

func (k *k6Requests) send(r result) error {
	s, err := r.sample(k.target)
	if err != nil {
		return err
	}
	return k.emit(s)
}

// toldBy reads a request that the script tells of.
func toldBy(p point) (result, error) {
	tags := p.Data.Tags
	r := result{total: time.Duration(p.Data.Value * float64(time.Millisecond)), region: tags["region"], variant: tags["variant"], status: statusOf(tags["status"])}
	r.ok = r.status >= 200 && r.status < 400
	r.timedOut = r.status == 0 && tags["error_code"] == "1050"
	r.began = p.Data.Time.Add(-r.total)
	for tag, phase := range map[string]*time.Duration{"connect": &r.connect, "tls": &r.tls, "send": &r.sending, "wait": &r.firstByte, "receive": &r.transferring} {
		if tags[tag] == "" {
			continue
		}
		d, err := millis(tags[tag])
		if err != nil {
			return r, fmt.Errorf("tag %s: %w", tag, err)
		}
		*phase = d
	}
	return r, nil
}

func statusOf(text string) uint32 {
	status, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint32(status)
}
