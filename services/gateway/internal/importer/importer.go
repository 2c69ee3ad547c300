// Package importer turns the results of load generators into samples of kind bench. It reads; sending them is for others.
package importer

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Target is whom the results are about where they do not say so themselves.
type Target struct{ App, Region, Variant string }

// errNowhere says that neither a result nor the command names the region and variant that answered.
var errNowhere = errors.New("which region and variant answered is not in it: name them with --region and --variant, or have the script record them")

// nobody is the region and variant that the examples' scripts tell when no answer named one.
const nobody = "unknown"

// result is one request as a load generator tells it; what it does not tell is 0.
type result struct {
	began                                                 time.Time
	total, connect, tls, sending, firstByte, transferring time.Duration
	status                                                uint32
	ok, timedOut                                          bool
	region, variant                                       string
}

// sample is the result as a sample of the target.
func (r result) sample(t Target) (schemas.Sample, error) {
	s := schemas.Sample{
		App: t.App, Region: t.Region, Variant: t.Variant, Kind: schemas.KindBench, Outcome: schemas.OK, DueUS: r.began.UnixMicro(), LatencyUS: micros(r.total),
		ConnectUS: micros(r.connect), TLSUS: micros(r.tls), WriteUS: micros(r.sending), FirstByteUS: micros(r.firstByte), TransferUS: micros(r.transferring), Status: r.status,
	}
	if r.region != "" && r.region != nobody {
		s.Region, s.Variant = r.region, r.variant
	}
	if s.Region == "" || s.Variant == "" {
		return s, errNowhere
	}
	switch {
	case r.ok:
	case r.timedOut:
		s.Outcome = schemas.TimedOut
	case r.status >= 400:
		s.Outcome = schemas.BadStatus
	default:
		s.Outcome = schemas.OtherError
	}
	return s, nil
}

func micros(d time.Duration) uint32 { return uint32(min(max(0, d.Microseconds()), math.MaxUint32)) }

// millis reads a number of milliseconds.
func millis(text string) (time.Duration, error) {
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(ms) || ms < 0 || ms > math.MaxUint32/1000 {
		return 0, fmt.Errorf("%q is not a number of milliseconds", text)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}
