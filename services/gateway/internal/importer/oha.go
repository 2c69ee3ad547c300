package importer

import (
	"bufio"
	"errors"
	"strings"
	"time"
)

var ohaShapes = []shape{
	{"oha", "the table of `oha --output-format csv`", func(h head) bool { return strings.HasPrefix(h.first, "request-start,DNS,DNS+dialup") }, ohaTable},
	{"oha", "oha's JSON or its summary", func(h head) bool {
		return h.has("summary.successRate", "latencyPercentiles") || h.first == "Summary:" && strings.Contains(string(h.text), "Success rate:")
	}, refuse("a summary of oha, and so its JSON, holds percentiles, no requests, and none are made up of them: run it with `oha --no-tui --output-format csv` and import what it prints")},
}

// ohaTable reads a row per request, in seconds that all count from the request's start. Old versions do not tell the first byte.
func ohaTable(in *bufio.Reader, out *rows) error {
	if out.target.Time.IsZero() {
		return errNoTime("oha")
	}
	return table(in, ',', nil, out, func(line int, c *cells) error {
		seconds := func(column string) time.Duration { return c.duration(column, time.Second) }
		dns, connected, answered, status := seconds("DNS"), seconds("DNS+dialup"), seconds("Response-delay"), statusOf(c.get("status"))
		r := result{
			began: out.target.Time.Add(seconds("request-start")), total: seconds("request-duration"), dns: dns, connect: max(0, connected-dns),
			status: status, outcome: outcome(good(status), status, ""),
		}
		if answered > 0 {
			r.firstByte, r.transferring = max(0, answered-connected), max(0, r.total-answered)
		}
		return out.row(line, r, errors.Join(c.problems...))
	})
}
