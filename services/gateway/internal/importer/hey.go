package importer

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"
)

var heyShapes = []shape{
	{"hey", "the table of `hey -o csv`", func(h head) bool { return strings.HasPrefix(h.first, "response-time,DNS+dialup") }, heyTable},
	{"hey", "hey's summary", func(h head) bool {
		return h.first == "Summary:" && strings.Contains(string(h.text), "Total:") && !strings.Contains(string(h.text), "Success rate:")
	}, refuse("a summary of hey holds percentiles, no requests, and none are made up of them: run it with `hey -o csv` and import what it prints")},
}

// errNoTime is why a table that counts from the start of the run can not be imported alone.
func errNoTime(tool string) error {
	return fmt.Errorf("%s counts from the start of its run, and does not say when that was: say it with --time, as 2026-11-21T04:00:00Z", tool)
}

// heyTable reads a row per request, in seconds. What hey calls dialup includes TLS.
func heyTable(in *bufio.Reader, out *rows) error {
	if out.target.Time.IsZero() {
		return errNoTime("hey")
	}
	if !strings.Contains(headOf(in).first, "status-code,offset") {
		return errors.New("line 1: the columns status-code and offset are missing, which hey has since 0.1.2: use a newer one")
	}
	return table(in, ',', nil, out, func(line int, c *cells) error {
		seconds := func(column string) time.Duration { return c.duration(column, time.Second) }
		dns, status := seconds("DNS"), statusOf(c.get("status-code"))
		r := result{
			began: out.target.Time.Add(seconds("offset")), total: seconds("response-time"), dns: dns, connect: max(0, seconds("DNS+dialup")-dns), sending: seconds("Request-write"),
			firstByte: seconds("Response-delay"), transferring: seconds("Response-read"), status: status, outcome: outcome(good(status), status, ""),
		}
		return out.row(line, r, errors.Join(c.problems...))
	})
}
