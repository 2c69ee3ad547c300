package table

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Lateness is how far a sample's due time may lie from the moment the bus stored it. The recorder's own clock has no say.
type Lateness struct {
	// Before and After bound the due time; SpooledBefore is Before for samples that waited on the prober's disk.
	Before, SpooledBefore, After time.Duration
}

// Measured is what is believed of a prober's samples: a day, three if they say that they waited, and five minutes of a clock that is ahead.
var Measured = Lateness{Before: 24 * time.Hour, SpooledBefore: 72 * time.Hour, After: 5 * time.Minute}

// Imported is what is believed of samples that were measured elsewhere at some time: whatever the table would keep.
func Imported(retention time.Duration) Lateness {
	return Lateness{Before: retention, SpooledBefore: retention, After: 5 * time.Minute}
}

// around returns the oldest and newest due time that is believed, in microseconds since 1970.
func (l Lateness) around(stored time.Time, spooled bool) (oldest, newest int64) {
	before := l.Before
	if spooled {
		before = l.SpooledBefore
	}
	return stored.Add(-before).UnixMicro(), stored.Add(l.After).UnixMicro()
}

// quarantined is a sample that is kept apart.
type quarantined struct {
	schemas.Sample
	vantage       string
	late, spooled bool
	boot, counter uint64
	row           uint16
	stored        time.Time
	sequence      uint64
}

func quarantine(b *schemas.SampleBatch, i int, m bus.Message, late bool) quarantined {
	return quarantined{Sample: b.At(i), vantage: b.Vantage, late: late, spooled: b.Spooled, boot: b.Boot, counter: b.Counter, row: uint16(i), stored: m.Stored, sequence: m.Sequence}
}

func quarantineTable(rows []quarantined) Rows {
	return Rows{Table: "quarantine", Count: len(rows), Columns: []clickhouse.Column{
		column("stored", rows, func(r quarantined) time.Time { return r.stored }),
		column("reason", rows, func(r quarantined) string {
			if r.late {
				return "late"
			}
			return "early"
		}),
		column("due", rows, func(r quarantined) time.Time { return time.UnixMicro(r.DueUS) }),
		column("app", rows, func(r quarantined) string { return r.App }),
		column("kind", rows, func(r quarantined) string { return r.Kind.String() }),
		column("vantage", rows, func(r quarantined) string { return r.vantage }),
		column("region", rows, func(r quarantined) string { return r.Region }),
		column("variant", rows, func(r quarantined) string { return r.Variant }),
		column("outcome", rows, func(r quarantined) string { return r.Outcome.String() }),
		column("latency_us", rows, func(r quarantined) uint32 { return r.LatencyUS }),
		column("spooled", rows, func(r quarantined) bool { return r.spooled }),
		column("boot", rows, func(r quarantined) uint64 { return r.boot }),
		column("counter", rows, func(r quarantined) uint64 { return r.counter }),
		column("batch_row", rows, func(r quarantined) uint16 { return r.row }),
		column("stream_sequence", rows, func(r quarantined) uint64 { return r.sequence }),
	}}
}
