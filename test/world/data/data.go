// Package data holds the figures the demo world is made from.
package data

import _ "embed"

// InterRegion is a table of real round trips between regions: window_end,src,dst,avg_rtt_ms.
//
//go:embed inter-region.csv
var InterRegion string
