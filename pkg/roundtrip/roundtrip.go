// Package roundtrip holds real round trips between places, which the simulated regions of the demo world and of `leeward up --loopback` are made from.
package roundtrip

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"
)

//go:embed inter-region.csv
var interRegion string

// Table holds the round trip between two places, by the places' names in lower case in either order.
type Table map[[2]string]time.Duration

// InterRegion is the table of this repository.
func InterRegion() (Table, error) { return Read(interRegion) }

// Read reads lines of window_end,src,dst,avg_rtt_ms with a header line, from one window. A link has one round
// trip, so the figures that both sides measured are averaged.
func Read(text string) (Table, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read round trips: %w", err)
	}
	table := Table{}
	for i, row := range rows {
		if i == 0 {
			continue
		}
		ms, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			return nil, fmt.Errorf("read round trips, line %d: %w", i+1, err)
		}
		rtt := time.Duration(ms * float64(time.Millisecond))
		from, to := strings.ToLower(row[1]), strings.ToLower(row[2])
		if other, ok := table[[2]string{to, from}]; ok {
			rtt = (rtt + other) / 2
			table[[2]string{to, from}] = rtt
		}
		table[[2]string{from, to}] = rtt
	}
	return table, nil
}

// RTT is the round trip between two places; none from a place to itself.
func (t Table) RTT(a, b string) (time.Duration, error) {
	if a == b {
		return 0, nil
	}
	rtt, ok := t[[2]string{strings.ToLower(a), strings.ToLower(b)}]
	if !ok {
		return 0, fmt.Errorf("no round trip between %s and %s in the table", a, b)
	}
	return rtt, nil
}
