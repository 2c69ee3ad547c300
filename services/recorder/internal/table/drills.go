package table

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

type drillRow struct {
	schemas.DrillFinished
	sequence uint64
}

func (t *Events) addDrill(m bus.Message) (rows int, err error) {
	e, err := schemas.DrillFinishedTopic.Decode(m.Subject, m.Data)
	if err == nil {
		err = plausible("the drill's end", e.At, m.Stored)
	}
	if err != nil {
		return 0, err
	}
	t.drills = append(t.drills, drillRow{e, m.Sequence})
	return 1, nil
}

func drillTable(rows []drillRow) Rows {
	return Rows{Table: "drills", Count: len(rows), Columns: []clickhouse.Column{
		column("at", rows, func(r drillRow) time.Time { return r.At }),
		column("app", rows, func(r drillRow) string { return r.App }),
		column("drill", rows, func(r drillRow) string { return r.Drill }),
		column("plan", rows, func(r drillRow) string { return r.Plan }),
		column("actor", rows, func(r drillRow) string { return r.Actor }),
		column("from_region", rows, func(r drillRow) string { return r.From.Region }),
		column("from_variant", rows, func(r drillRow) string { return r.From.Variant }),
		column("to_region", rows, func(r drillRow) string { return r.To.Region }),
		column("to_variant", rows, func(r drillRow) string { return r.To.Variant }),
		column("passed", rows, func(r drillRow) bool { return r.Passed }),
		column("reason", rows, func(r drillRow) string { return r.Reason }),
		column("shift_seconds", rows, func(r drillRow) float64 { return r.ShiftSeconds }),
		column("failed_requests", rows, func(r drillRow) uint64 { return r.FailedRequests }),
		column("stream_sequence", rows, func(r drillRow) uint64 { return r.sequence }),
	}}
}
