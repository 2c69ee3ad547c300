package table

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

type decisionRow struct {
	schemas.PlanCandidate
	at       time.Time
	plan     *schemas.Plan
	sequence uint64
}

func (t *Events) addDecision(m bus.Message) (rows int, err error) {
	e, err := schemas.FailoverPlannedTopic.Decode(m.Subject, m.Data)
	if err == nil {
		err = plausible("the decision's time", e.At, m.Stored)
	}
	if err != nil {
		return 0, err
	}
	candidates := e.Plan.Candidates
	if len(candidates) == 0 {
		// A decision that had nothing to weigh is one all the same: it gets a row with no candidate in it.
		candidates = make([]schemas.PlanCandidate, 1)
	}
	for _, c := range candidates {
		t.decisions = append(t.decisions, decisionRow{c, e.At, &e.Plan, m.Sequence})
	}
	return len(candidates), nil
}

func decisionTable(rows []decisionRow) Rows {
	return Rows{Table: "decisions", Count: len(rows), Columns: append([]clickhouse.Column{
		column("at", rows, func(r decisionRow) time.Time { return r.at }),
		column("app", rows, func(r decisionRow) string { return r.plan.App }),
		column("plan", rows, func(r decisionRow) string { return r.plan.ID }),
		column("incident", rows, func(r decisionRow) string { return r.plan.Incident }),
		column("trigger", rows, func(r decisionRow) string { return r.plan.Trigger }),
		column("state", rows, func(r decisionRow) string { return string(r.plan.State) }),
		column("reason", rows, func(r decisionRow) string { return r.plan.Reason }),
		column("actor", rows, func(r decisionRow) string { return r.plan.Actor }),
		column("epoch_term", rows, func(r decisionRow) uint64 { return r.plan.Epoch.Term }),
		column("epoch_n", rows, func(r decisionRow) uint64 { return r.plan.Epoch.N }),
		column("from_region", rows, func(r decisionRow) string { return r.plan.From.Region }),
		column("from_variant", rows, func(r decisionRow) string { return r.plan.From.Variant }),
		column("region", rows, func(r decisionRow) string { return r.Region }),
		column("variant", rows, func(r decisionRow) string { return r.Variant }),
		column("chosen", rows, func(r decisionRow) bool { return r.Chosen }),
		column("rank", rows, func(r decisionRow) uint16 { return uint16(r.Rank) }),
		column("eligible", rows, func(r decisionRow) bool { return r.Eligible }),
		column("cost_ms", rows, func(r decisionRow) float64 { return r.CostMS }),
		column("low_ms", rows, func(r decisionRow) float64 { return r.LowMS }),
		column("high_ms", rows, func(r decisionRow) float64 { return r.HighMS }),
		column("stream_sequence", rows, func(r decisionRow) uint64 { return r.sequence }),
	}, gateColumns(rows, func(r decisionRow) []schemas.Gate { return r.Gates })...)}
}
