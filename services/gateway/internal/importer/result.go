package importer

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// errNowhere says that neither a result nor the command names the region and variant that answered.
var errNowhere = errors.New("which region and variant answered is not in it: name them with --region and --variant, or have the script record them")

// nobody is the region and variant that the examples' scripts tell when no answer named one.
const nobody = "unknown"

// result is one request as its tool tells it; what it does not tell is 0.
type result struct {
	began time.Time
	// late is how much of the total passed before the request was sent.
	total, late, dns, connect, tls, sending, firstByte, transferring time.Duration
	status                                                           uint32
	outcome                                                          schemas.Outcome
	region, variant                                                  string
}

// The times that a batch can carry.
const (
	longest = math.MaxUint32 * time.Microsecond
	latest  = 4_102_444_800_000_000 // the year 2100
)

// sample is the result as a sample of the target.
func (r result) sample(t Target) (schemas.Sample, error) {
	s := schemas.Sample{
		App: t.App, Region: t.Region, Variant: t.Variant, Kind: schemas.KindBench, Outcome: r.outcome, DueUS: r.began.UnixMicro(), Status: r.status,
	}
	if at := s.DueUS; at <= 0 || at > latest {
		return s, errors.New("its time is before 1970, after 2100, or missing")
	}
	for _, phase := range []struct {
		column *uint32
		took   time.Duration
	}{{&s.LatencyUS, r.total}, {&s.LateUS, r.late}, {&s.DNSUS, r.dns}, {&s.ConnectUS, r.connect}, {&s.TLSUS, r.tls}, {&s.WriteUS, r.sending}, {&s.FirstByteUS, r.firstByte}, {&s.TransferUS, r.transferring}} {
		if phase.took < 0 || phase.took > longest {
			return s, fmt.Errorf("a duration is negative, or longer than %s", longest.Truncate(time.Minute))
		}
		*phase.column = uint32(phase.took.Microseconds())
	}
	if r.region != "" && r.region != nobody {
		s.Region, s.Variant = r.region, r.variant
	}
	if s.Region == "" || s.Variant == "" {
		return s, errNowhere
	}
	return s, nil
}

// reasons are words of error messages and what they tell; the first that fits counts.
var reasons = []struct {
	words   []string
	outcome schemas.Outcome
}{
	{[]string{"timeout", "timed out", "time out", "deadline exceeded"}, schemas.TimedOut},
	{[]string{"refused"}, schemas.Refused},
	{[]string{"unreachable", "no route", "noroute"}, schemas.Unreachable},
	{[]string{"no such host", "unknown host", "unknownhost", "dns", "resolve"}, schemas.NameError},
	{[]string{"tls", "ssl", "x509", "certificate"}, schemas.TLSError},
}

// outcome is how a request ended, by whether its tool calls it good, its status and, where no answer came, its error message.
func outcome(ok bool, status uint32, reason string) schemas.Outcome {
	switch {
	case ok:
		return schemas.OK
	case status >= 400:
		return schemas.BadStatus
	case status > 0:
		return schemas.OtherError
	}
	reason = strings.ToLower(reason)
	for _, r := range reasons {
		for _, w := range r.words {
			if strings.Contains(reason, w) {
				return r.outcome
			}
		}
	}
	return schemas.OtherError
}

// good says that an HTTP status is a success.
func good(status uint32) bool { return status >= 200 && status < 400 }

func statusOf(text string) uint32 {
	status, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint32(status)
}

// span is a number of units as a duration, negative when no sample can hold it.
func span(n float64, unit time.Duration) time.Duration {
	d := n * float64(unit)
	if math.IsNaN(d) || d < 0 || d > float64(longest) {
		return -1
	}
	return time.Duration(math.Round(d))
}

func ms(n float64) time.Duration { return span(n, time.Millisecond) }

// units are the names of the units that durations are written in.
var units = map[time.Duration]string{time.Millisecond: "milliseconds", time.Second: "seconds", time.Nanosecond: "nanoseconds"}

// parse reads a duration; none is 0.
func parse(text string, unit time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || span(n, unit) < 0 {
		return 0, fmt.Errorf("%q is not a number of %s", text, units[unit])
	}
	return span(n, unit), nil
}

// cells are the fields of a row by their columns' names, and what was wrong with those that were read.
type cells struct {
	get      func(column string) string
	problems []error
}

func (c *cells) duration(column string, unit time.Duration) time.Duration {
	d, err := parse(c.get(column), unit)
	if err != nil {
		c.problems = append(c.problems, fmt.Errorf("%s: %w", column, err))
	}
	return d
}
