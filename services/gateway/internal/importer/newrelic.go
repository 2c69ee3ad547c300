package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// newrelicPaths are where the events lie in the answers of NerdGraph and of the query API, and in an export.
var newrelicPaths = []string{"", "data.actor.account.nrql.results", "results.events"}

var newrelicShapes = []shape{
	{"newrelic", "events SyntheticRequest or SyntheticCheck as JSON", func(h head) bool {
		for _, path := range newrelicPaths {
			if path != "" {
				path += "."
			}
			if h.has(path+"timestamp", path+"duration") && (h.has(path+"responseCode") || h.has(path+"result")) || h.has(path+"timestamp", path+"durationWait") {
				return true
			}
		}
		return false
	}, newrelicJSON},
	{"newrelic", "events SyntheticRequest or SyntheticCheck as CSV", func(h head) bool {
		columns := "," + strings.ToLower(strings.ReplaceAll(h.first, `"`, "")) + ","
		return strings.Contains(columns, ",timestamp,") && strings.Contains(columns, ",duration,") && (strings.Contains(columns, ",responsecode,") || strings.Contains(columns, ",result,"))
	}, newrelicTable},
}

func newrelicJSON(in *bufio.Reader, out *rows) error {
	var n newrelic
	paths := newrelicPaths
	if h := headOf(in); !h.keys["timestamp"] && bytes.HasPrefix(bytes.TrimSpace(h.text), []byte("{")) {
		paths = paths[1:]
	}
	return objects(in, paths, out, func(line int, object json.RawMessage) error {
		var event map[string]any
		digits := json.NewDecoder(bytes.NewReader(object))
		digits.UseNumber()
		if err := digits.Decode(&event); err != nil {
			return out.row(line, result{}, fmt.Errorf("this is no event of New Relic: %w", err))
		}
		r, err := n.event(&cells{get: func(name string) string {
			if v, ok := event[name]; ok && v != nil {
				return fmt.Sprint(v)
			}
			return ""
		}})
		return out.row(line, r, err)
	})
}

func newrelicTable(in *bufio.Reader, out *rows) error {
	var n newrelic
	return table(in, ',', nil, out, func(line int, c *cells) error {
		r, err := n.event(c)
		return out.row(line, r, err)
	})
}

// newrelic knows whether its events are checks or requests: a check is made of requests, and both would count them twice.
type newrelic struct{ kind string }

func (n *newrelic) event(c *cells) (result, error) {
	kind := "SyntheticRequest"
	if c.get("result") != "" {
		kind = "SyntheticCheck"
	}
	if n.kind == "" {
		n.kind = kind
	}
	if kind != n.kind {
		return result{}, fmt.Errorf("a %s among events %s, which would count requests twice: import one of the two", kind, n.kind)
	}
	at, err := strconv.ParseFloat(c.get("timestamp"), 64)
	if err != nil {
		c.problems = append(c.problems, fmt.Errorf("timestamp: %q is not a number of milliseconds since 1970", c.get("timestamp")))
	}
	if c.get("duration") == "" {
		c.problems = append(c.problems, errors.New("duration is missing"))
	}
	phase := func(name string) time.Duration {
		if strings.HasPrefix(c.get("duration"+name), "-") {
			return 0 // a phase that was not
		}
		return c.duration("duration"+name, time.Millisecond)
	}
	r := result{
		began: time.UnixMilli(int64(at)), total: c.duration("duration", time.Millisecond), dns: phase("DNS"), connect: phase("Connect"), tls: phase("SSL"),
		sending: phase("Send"), firstByte: phase("Wait"), transferring: phase("Receive"), status: statusOf(c.get("responseCode")),
	}
	r.outcome = outcome(good(r.status) || c.get("result") == "SUCCESS", r.status, c.get("error"))
	return r, errors.Join(c.problems...)
}
