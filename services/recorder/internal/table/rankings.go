package table

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// rankings collects the table rankings, a row per candidate and possible active region.
type rankings struct{ rows []rankingRow }

type rankingRow struct {
	*schemas.Ranking
	schemas.RankedCandidate
	order schemas.Order
	place int
	// inputs, digest and warnings belong to the ranking, and its first row carries them.
	inputs, digest string
	warnings       []string
	sequence       uint64
}

// add decodes a ranking and adds its candidates, or nothing when it can not be read.
func (t *rankings) add(m bus.Message) (rows int, err error) {
	r, err := schemas.DecodeEvaluation(m.Subject, m.Data)
	if err != nil {
		return 0, err
	}
	if err := plausible("the ranking's time", r.At, m.Stored); err != nil {
		return 0, err
	}
	first := len(t.rows)
	for _, o := range r.Orders {
		for i, c := range o.Candidates {
			t.rows = append(t.rows, rankingRow{Ranking: &r, RankedCandidate: c, order: o, place: i + 1, sequence: m.Sequence})
		}
	}
	if len(t.rows) > first {
		t.rows[first].inputs, t.rows[first].digest, t.rows[first].warnings = string(r.Inputs), r.Digest, r.Warnings
	}
	return len(t.rows) - first, nil
}

func (t *rankings) table() Rows {
	rows := t.rows
	return Rows{Table: "rankings", Count: len(rows), Columns: append([]clickhouse.Column{
		column("at", rows, func(r rankingRow) time.Time { return r.At }),
		column("app", rows, func(r rankingRow) string { return r.App }),
		column("active", rows, func(r rankingRow) string { return r.order.Active }),
		column("place", rows, func(r rankingRow) uint16 { return uint16(r.place) }),
		column("rank", rows, func(r rankingRow) uint16 { return uint16(r.Rank) }),
		column("region", rows, func(r rankingRow) string { return r.Region }),
		column("variant", rows, func(r rankingRow) string { return r.Variant }),
		column("choice", rows, func(r rankingRow) bool { return r.Candidate == r.order.Choice }),
		column("raw_choice", rows, func(r rankingRow) bool { return r.Candidate == r.order.Raw }),
		column("warming", rows, func(r rankingRow) bool { return r.order.Warming }),
		column("reason", rows, func(r rankingRow) string { return r.order.Reason }),
		column("running", rows, func(r rankingRow) bool { return r.Running }),
		column("eligible", rows, func(r rankingRow) bool { return r.Eligible }),
		column("enough", rows, func(r rankingRow) bool { return r.Enough }),
		column("censored", rows, func(r rankingRow) bool { return r.Censored }),
		column("cost_ms", rows, func(r rankingRow) float64 { return r.CostMS }),
		column("low_ms", rows, func(r rankingRow) float64 { return r.LowMS }),
		column("high_ms", rows, func(r rankingRow) float64 { return r.HighMS }),
		column("serve_ms", rows, func(r rankingRow) *float64 { return r.ServeMS }),
		column("p_best", rows, func(r rankingRow) float64 { return r.PBest }),
		column("regret_ms", rows, func(r rankingRow) float64 { return r.RegretMS }),
		column("doubt", rows, func(r rankingRow) string { return r.Doubt }),
		column("samples", rows, func(r rankingRow) uint64 { return r.Samples }),
		column("failures", rows, func(r rankingRow) uint64 { return r.Failures }),
		column("quantile", rows, func(r rankingRow) float64 { return r.Quantile }),
		column("window_seconds", rows, func(r rankingRow) uint32 { return uint32(r.WindowSeconds) }),
		column("topology", rows, func(r rankingRow) string { return r.Topology }),
		column("inputs", rows, func(r rankingRow) string { return r.inputs }),
		column("digest", rows, func(r rankingRow) string { return r.digest }),
		column("warnings", rows, func(r rankingRow) []string { return r.warnings }),
		column("stream_sequence", rows, func(r rankingRow) uint64 { return r.sequence }),
	}, gateColumns(rows, func(r rankingRow) []schemas.Gate { return r.Gates })...)}
}
