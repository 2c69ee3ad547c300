package table

import (
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Evaluations collects what the stream EVALUATIONS holds: rankings and benchmarks of images.
type Evaluations struct {
	rankings   rankings
	benchmarks []benchmarkRow
}

type benchmarkRow struct {
	schemas.ImageBenchmark
	app      string
	sequence uint64
}

// Add decodes a message and adds its rows, or nothing when it can not be read.
func (t *Evaluations) Add(m bus.Message) (rows int, err error) {
	if !strings.HasPrefix(m.Subject, schemas.BenchmarksSubject+".") {
		return t.rankings.add(m)
	}
	b, err := schemas.DecodeImageBenchmarks(m.Subject, m.Data)
	if err != nil {
		return 0, err
	}
	for _, r := range b.Rows {
		if err := plausible("the benchmark's time", r.At, m.Stored); err != nil {
			return 0, err
		}
	}
	for _, r := range b.Rows {
		t.benchmarks = append(t.benchmarks, benchmarkRow{r, b.App, m.Sequence})
	}
	return len(b.Rows), nil
}

// Tables returns what the block adds.
func (t *Evaluations) Tables() []Rows {
	return []Rows{t.rankings.table(), benchmarkTable(t.benchmarks)}
}

// Reset forgets the rows.
func (t *Evaluations) Reset() { *t = Evaluations{} }

func benchmarkTable(rows []benchmarkRow) Rows {
	return Rows{Table: "image_benchmarks", Count: len(rows), Columns: []clickhouse.Column{
		column("at", rows, func(r benchmarkRow) time.Time { return r.At }),
		column("app", rows, func(r benchmarkRow) string { return r.app }),
		column("variant", rows, func(r benchmarkRow) string { return r.Variant }),
		column("region", rows, func(r benchmarkRow) string { return r.Region }),
		column("digest", rows, func(r benchmarkRow) string { return r.Digest }),
		column("cold", rows, func(r benchmarkRow) bool { return r.Cold }),
		column("size_bytes", rows, func(r benchmarkRow) uint64 { return r.SizeBytes }),
		column("layers", rows, func(r benchmarkRow) uint16 { return uint16(r.Layers) }),
		column("wasted_bytes", rows, func(r benchmarkRow) uint64 { return r.WastedBytes }),
		column("pull_us", rows, func(r benchmarkRow) uint64 { return r.PullUS }),
		column("unpack_us", rows, func(r benchmarkRow) uint64 { return r.UnpackUS }),
		column("start_us", rows, func(r benchmarkRow) uint64 { return r.StartUS }),
		column("healthy_us", rows, func(r benchmarkRow) uint64 { return r.HealthyUS }),
		column("error", rows, func(r benchmarkRow) string { return r.Error }),
		column("stream_sequence", rows, func(r benchmarkRow) uint64 { return r.sequence }),
	}}
}
