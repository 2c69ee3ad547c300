// Package explain says what a measurement took, phase by phase, to people and to programs.
package explain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
)

// Measurement is a measurement as people and programs read it.
type Measurement struct {
	Kind    string `json:"kind"`
	Target  string `json:"target"`
	At      string `json:"at"`
	Outcome string `json:"outcome"`
	Error   string `json:"error,omitempty"`
	Status  uint32 `json:"status,omitempty"`
	Server  string `json:"server,omitempty"`
	// Total is the time from the start to the end, in microseconds as the phases are.
	Total        uint32  `json:"latency_us"`
	Phases       []Phase `json:"phases"`
	KernelStamps bool    `json:"kernel_stamps"`
}

// Phase is a part of a measurement that took some time.
type Phase struct {
	Name string `json:"name"`
	US   uint32 `json:"us"`
	what string
}

// Of explains the measurement of an address.
func Of(address string, m probe.Measurement) Measurement {
	s := m.Sample
	e := Measurement{Kind: s.Kind.String(), Target: address, At: time.UnixMicro(s.DueUS).UTC().Format("2006-01-02T15:04:05.000Z"), Outcome: s.Outcome.String(),
		Status: s.Status, Server: s.Server, Total: s.LatencyUS - s.LateUS, KernelStamps: s.Flags&schemas.KernelStamps != 0}
	if m.Err != nil {
		e.Error = m.Err.Error()
	}
	first, transfer := "from the request written to the first byte of the answer", "from the first to the last byte"
	switch s.Kind {
	case schemas.KindICMP:
		first = "from the echo request to its answer"
	case schemas.KindRegistry:
		first, transfer = "from the question for the manifest to its answer", "from the question for the first layer to its first byte"
	case schemas.KindExec:
		first = "what the check tells, or how long it ran"
	}
	for _, p := range []Phase{
		{"dns", s.DNSUS, "resolution of the name"}, {"connect", s.ConnectUS, "TCP handshake"}, {"tls", s.TLSUS, "TLS handshake"}, {"write", s.WriteUS, "writing the request"},
		{"first byte", s.FirstByteUS, first}, {"transfer", s.TransferUS, transfer},
	} {
		if p.US > 0 {
			e.Phases = append(e.Phases, p)
		}
	}
	return e
}

// width is how wide the bars of the phases are together.
const width = 40

// Print writes the measurement with a bar for each phase.
func (m Measurement) Print(w io.Writer) {
	fmt.Fprintf(w, "%s %s: %s in %s", m.Kind, m.Target, m.Outcome, ms(m.Total))
	if m.Status > 0 {
		fmt.Fprintf(w, ", status %d", m.Status)
	}
	if m.Server != "" {
		fmt.Fprintf(w, ", by %s", m.Server)
	}
	fmt.Fprintln(w)
	if m.Error != "" {
		fmt.Fprintln(w, m.Error)
	}
	before := uint32(0)
	for _, p := range m.Phases {
		from, to := scale(before, m.Total), scale(before+p.US, m.Total)
		fmt.Fprintf(w, "  %-10s %10s  %s%s%s  %s\n", p.Name, ms(p.US), strings.Repeat(" ", from), strings.Repeat("█", max(1, to-from)), strings.Repeat(" ", max(0, width-max(to, from+1))), p.what)
		before += p.US
	}
	if m.Kind == schemas.KindICMP.String() && m.Error == "" && !m.KernelStamps {
		fmt.Fprintln(w, "The kernel stamped only one end of this round trip; the other is as late as this process was woken.")
	}
}

func scale(us, total uint32) int {
	if total == 0 {
		return 0
	}
	return min(width-1, int(uint64(us)*width/uint64(total)))
}

func ms(us uint32) string { return fmt.Sprintf("%.3f ms", float64(us)/1000) }
