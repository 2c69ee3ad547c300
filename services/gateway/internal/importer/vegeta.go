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

var vegetaShapes = []shape{
	{"vegeta", "the lines of `vegeta encode --to json`", func(h head) bool { return h.has("attack", "seq", "code", "timestamp", "latency") }, vegetaLines},
	{"vegeta", "the table of `vegeta encode --to csv`", func(h head) bool {
		fields := strings.Split(h.first, ",")
		return len(fields) >= 9 && len(fields[0]) == 19 && statusOf(fields[1]) < 1000 && isNumber(fields[0]) && isNumber(fields[1]) && isNumber(fields[2])
	}, vegetaTable},
	{"vegeta", "what `vegeta attack` writes", func(h head) bool {
		return bytes.Contains(h.text, []byte("\x06Attack\x01")) && bytes.Contains(h.text, []byte("\x07Latency\x01"))
	}, refuse("this is vegeta's own encoding; have vegeta turn it into lines: vegeta encode --to json < FILE > results.json")},
	{"vegeta", "a report of vegeta", func(h head) bool { return h.has("latencies.99th") || strings.HasPrefix(h.first, "Requests      [") },
		refuse("a report of vegeta holds percentiles, no requests, and none are made up of them: import `vegeta encode --to json < FILE` of the file that `vegeta attack` wrote")},
}

func isNumber(text string) bool {
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil
}

func vegetaLines(in *bufio.Reader, out *rows) error {
	return lines(in, out, func(number int, line []byte) error {
		var v struct {
			Code      uint16    `json:"code"`
			Timestamp time.Time `json:"timestamp"`
			Latency   float64   `json:"latency"`
			Error     string    `json:"error"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			return out.row(number, result{}, fmt.Errorf("this is no line of vegeta's JSON: %w", err))
		}
		return out.row(number, vegetaResult(v.Timestamp, span(v.Latency, time.Nanosecond), uint32(v.Code), v.Error), nil)
	})
}

// vegetaColumns are those of vegeta's table, which has no line of names; old versions write the first nine.
var vegetaColumns = []string{"timestamp", "code", "latency", "bytes_out", "bytes_in", "error", "body", "attack", "seq", "method", "url", "headers"}

func vegetaTable(in *bufio.Reader, out *rows) error {
	names := vegetaColumns
	if n := strings.Count(headOf(in).first, ","); n < len(names)-1 {
		names = names[:9]
	}
	return table(in, ',', names, out, func(line int, c *cells) error {
		at, err := strconv.ParseInt(c.get("timestamp"), 10, 64)
		if err != nil {
			c.problems = append(c.problems, fmt.Errorf("column 1: %q is not a number of nanoseconds since 1970", c.get("timestamp")))
		}
		r := vegetaResult(time.Unix(0, at), c.duration("latency", time.Nanosecond), statusOf(c.get("code")), c.get("error"))
		return out.row(line, r, errors.Join(c.problems...))
	})
}

func vegetaResult(began time.Time, latency time.Duration, status uint32, reason string) result {
	return result{began: began, total: latency, status: status, outcome: outcome(good(status), status, reason)}
}
