package table

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/clickhouse"
)

// Find is a condition that the rows fulfil in their table, and no others: after a try whose end is not known it tells whether they are in.
// Every table begins with a time and ends with the sequence in the stream. Sequences begin anew with a stream, so the rest narrows them down.
func (r Rows) Find() string {
	var first, last time.Time
	switch at := r.Columns[0].Values.(type) {
	case []time.Time:
		first, last = slices.MinFunc(at, time.Time.Compare), slices.MaxFunc(at, time.Time.Compare)
	case []int64:
		first, last = time.UnixMilli(slices.Min(at)), time.UnixMilli(slices.Max(at))
	}
	sequences := r.Columns[len(r.Columns)-1].Values.([]uint64)
	// A millisecond more on either side, for columns that hold no more than milliseconds.
	find := fmt.Sprintf("%s BETWEEN fromUnixTimestamp64Micro(%d, 'UTC') AND fromUnixTimestamp64Micro(%d, 'UTC') AND stream_sequence BETWEEN %d AND %d",
		r.Columns[0].Name, first.UnixMicro()-1000, last.UnixMicro()+1000, slices.Min(sequences), slices.Max(sequences))
	if r.Table == "samples" {
		find += " AND (vantage, boot) IN (" + strings.Join(r.probers(), ", ") + ")"
	}
	return find
}

// probers are the distinct vantages with the start of their probers, as SQL.
func (r Rows) probers() []string {
	vantages, boots := r.column("vantage").(clickhouse.Names), r.column("boot").([]uint64)
	probers := map[string]bool{}
	for i, v := range vantages.Index {
		if i == 0 || v != vantages.Index[i-1] || boots[i] != boots[i-1] {
			probers[fmt.Sprintf("(%s, %d)", quote(vantages.At(i)), boots[i])] = true
		}
	}
	return slices.Sorted(maps.Keys(probers))
}

// Vantages are the distinct vantages of samples, as SQL.
func (r Rows) Vantages() string {
	distinct := map[string]bool{}
	vantages := r.column("vantage").(clickhouse.Names)
	for i, v := range vantages.Index {
		if i == 0 || v != vantages.Index[i-1] {
			distinct[quote(vantages.At(i))] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(distinct)), ", ")
}

func (r Rows) column(name string) any {
	for _, c := range r.Columns {
		if c.Name == name {
			return c.Values
		}
	}
	return nil
}

func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// Rollup is a table that a view fills from a table of samples.
type Rollup struct {
	Table string
	// Time is the rollup's column of time, and Of the same of a sample.
	Time, Of string
}

// Rollups are those of the table samples, each fed by the one before it.
var Rollups = []Rollup{{"samples_1m", "minute", "toStartOfMinute(due)"}, {"samples_1h", "hour", "toStartOfHour(due)"}}

// Fill is the INSERT that does for some rows of samples what the views do for every block.
func (u Rollup) Fill(find string) string {
	return "INSERT INTO " + u.Table + " SELECT " + u.Of + " AS " + u.Time + `, app, kind, vantage, region, variant, count() AS samples, countIf(outcome != 'ok') AS failures, max(due) AS last_due,
		quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(latency_us, outcome = 'ok') AS latency FROM samples WHERE ` + find + " GROUP BY " + u.Time + ", app, kind, vantage, region, variant"
}
