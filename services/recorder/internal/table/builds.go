package table

import (
	"errors"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

type buildRow struct {
	schemas.BuildFinished
	sequence uint64
}

func (t *Events) addBuild(m bus.Message) (rows int, err error) {
	e, err := schemas.BuildFinishedTopic.Decode(m.Subject, m.Data)
	if err == nil {
		err = errors.Join(plausible("the build's end", e.At, m.Stored), plausible("the build's start", e.StartedAt, m.Stored))
	}
	if err != nil {
		return 0, err
	}
	t.builds = append(t.builds, buildRow{e, m.Sequence})
	return 1, nil
}

// stageRow is one stage of a build, at its place in the Dockerfile.
type stageRow struct {
	buildRow
	schemas.BuildStage
	position uint16
}

func stageTable(builds []buildRow) Rows {
	var rows []stageRow
	for _, b := range builds {
		for i, s := range b.Stages {
			rows = append(rows, stageRow{b, s, uint16(i + 1)})
		}
	}
	return Rows{Table: "build_stages", Count: len(rows), Columns: []clickhouse.Column{
		column("finished", rows, func(r stageRow) time.Time { return r.At }),
		column("build", rows, func(r stageRow) string { return r.Build }),
		column("app", rows, func(r stageRow) string { return r.App }),
		column("variant", rows, func(r stageRow) string { return r.Variant }),
		column("stage", rows, func(r stageRow) string { return r.Name }),
		column("position", rows, func(r stageRow) uint16 { return r.position }),
		column("seconds", rows, func(r stageRow) float64 { return r.BuildStage.Seconds }),
		column("steps", rows, func(r stageRow) uint16 { return uint16(r.Steps) }),
		column("cached_steps", rows, func(r stageRow) uint16 { return uint16(r.CachedSteps) }),
		column("stream_sequence", rows, func(r stageRow) uint64 { return r.sequence }),
	}}
}

func buildTable(rows []buildRow) Rows {
	return Rows{Table: "builds", Count: len(rows), Columns: []clickhouse.Column{
		column("finished", rows, func(r buildRow) time.Time { return r.At }),
		column("started", rows, func(r buildRow) time.Time { return r.StartedAt }),
		column("build", rows, func(r buildRow) string { return r.Build }),
		column("app", rows, func(r buildRow) string { return r.App }),
		column("variant", rows, func(r buildRow) string { return r.Variant }),
		column("trigger", rows, func(r buildRow) string { return r.Trigger }),
		column("outcome", rows, func(r buildRow) string { return r.Outcome }),
		column("error", rows, func(r buildRow) string { return r.Error }),
		column("digest", rows, func(r buildRow) string { return r.Digest }),
		column("reference", rows, func(r buildRow) string { return r.Reference }),
		column("size_bytes", rows, func(r buildRow) uint64 { return r.SizeBytes }),
		column("layers", rows, func(r buildRow) uint16 { return uint16(len(r.Layers)) }),
		column("seconds", rows, func(r buildRow) float64 { return r.Seconds }),
		column("stages.name", rows, func(r buildRow) []string { return list(r.Stages, func(s schemas.BuildStage) string { return s.Name }) }),
		column("stages.seconds", rows, func(r buildRow) []float64 {
			return list(r.Stages, func(s schemas.BuildStage) float64 { return s.Seconds })
		}),
		column("stages.steps", rows, func(r buildRow) []uint16 {
			return list(r.Stages, func(s schemas.BuildStage) uint16 { return uint16(s.Steps) })
		}),
		column("stages.cached_steps", rows, func(r buildRow) []uint16 {
			return list(r.Stages, func(s schemas.BuildStage) uint16 { return uint16(s.CachedSteps) })
		}),
		column("stream_sequence", rows, func(r buildRow) uint64 { return r.sequence }),
	}}
}
