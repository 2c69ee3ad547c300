package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

var leewardShapes = []shape{
	{"leeward", "the lines of `leeward bench`", func(h head) bool { return h.has("due", "outcome", "latency_us") }, leewardLines},
}

// Line is a sample as a line of JSON, named after the columns of ClickHouse. It is Leeward's own format: what a sample has, it has, but for the app, which is the import's.
type Line struct {
	Due         time.Time `json:"due"`
	Region      string    `json:"region,omitempty"`
	Variant     string    `json:"variant,omitempty"`
	Outcome     string    `json:"outcome"`
	LatencyUS   uint32    `json:"latency_us"`
	LateUS      uint32    `json:"late_us,omitempty"`
	DNSUS       uint32    `json:"dns_us,omitempty"`
	ConnectUS   uint32    `json:"connect_us,omitempty"`
	TLSUS       uint32    `json:"tls_us,omitempty"`
	WriteUS     uint32    `json:"write_us,omitempty"`
	FirstByteUS uint32    `json:"first_byte_us,omitempty"`
	TransferUS  uint32    `json:"transfer_us,omitempty"`
	Status      uint16    `json:"status,omitempty"`
}

// LineOf is a sample as a line.
func LineOf(s schemas.Sample) Line {
	return Line{
		Due: time.UnixMicro(s.DueUS).UTC(), Region: s.Region, Variant: s.Variant, Outcome: s.Outcome.String(), LatencyUS: s.LatencyUS, LateUS: s.LateUS,
		DNSUS: s.DNSUS, ConnectUS: s.ConnectUS, TLSUS: s.TLSUS, WriteUS: s.WriteUS, FirstByteUS: s.FirstByteUS, TransferUS: s.TransferUS, Status: uint16(s.Status),
	}
}

func leewardLines(in *bufio.Reader, out *rows) error {
	return lines(in, out, func(number int, line []byte) error {
		var l Line
		if err := json.Unmarshal(line, &l); err != nil {
			return out.row(number, result{}, fmt.Errorf("this is no line of Leeward's JSON: %w", err))
		}
		r, err := l.result()
		return out.row(number, r, err)
	})
}

func (l Line) result() (result, error) {
	ended, ok := schemas.ParseOutcome(l.Outcome)
	switch {
	case !ok:
		return result{}, fmt.Errorf("outcome: %q is none of ok, timeout, refused, unreachable, dns, tls, status and other", l.Outcome)
	case l.LateUS > l.LatencyUS:
		return result{}, fmt.Errorf("late_us: %d is more than the latency_us it is part of, %d", l.LateUS, l.LatencyUS)
	}
	us := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
	return result{
		began: l.Due, total: us(l.LatencyUS), late: us(l.LateUS), dns: us(l.DNSUS), connect: us(l.ConnectUS), tls: us(l.TLSUS), sending: us(l.WriteUS),
		firstByte: us(l.FirstByteUS), transferring: us(l.TransferUS), status: uint32(l.Status), outcome: ended, region: l.Region, variant: l.Variant,
	}, nil
}
