package wan

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Table holds the round trip between two places, by the places' names in either order.
type Table map[[2]string]time.Duration

// ReadTable reads lines of window_end,src,dst,avg_rtt_ms with a header line, from one window. A link has one round
// trip, so the figures that both sides measured are averaged.
func ReadTable(text string) (Table, error) {
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
		if other, ok := table[[2]string{row[2], row[1]}]; ok {
			rtt = (rtt + other) / 2
			table[[2]string{row[2], row[1]}] = rtt
		}
		table[[2]string{row[1], row[2]}] = rtt
	}
	return table, nil
}

// RTT is the round trip between two places.
func (t Table) RTT(a, b string) (time.Duration, error) {
	rtt, ok := t[[2]string{a, b}]
	if !ok {
		return 0, fmt.Errorf("no round trip between %s and %s in the table", a, b)
	}
	return rtt, nil
}
