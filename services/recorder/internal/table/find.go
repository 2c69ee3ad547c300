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
// What comes in batches is found by them, which have names for ever; other partitions of the stream have sequences between those of the block.
// Of the other tables each has a stream of one partition. They begin with a time and end with the sequence, which begins anew with a stream; two streams of one moment there are none.
func (r Rows) Find() string {
	within := r.Columns[0].Name + " BETWEEN "
	switch at := r.Columns[0].Values.(type) {
	case []int64:
		within += fmt.Sprintf("fromUnixTimestamp64Milli(%d, 'UTC') AND fromUnixTimestamp64Milli(%d, 'UTC')", slices.Min(at), slices.Max(at))
	case []time.Time:
		// A millisecond more on either side, for columns that hold no more than milliseconds.
		first, last := slices.MinFunc(at, time.Time.Compare), slices.MaxFunc(at, time.Time.Compare)
		within += fmt.Sprintf("fromUnixTimestamp64Micro(%d, 'UTC') AND fromUnixTimestamp64Micro(%d, 'UTC')", first.UnixMicro()-1000, last.UnixMicro()+1000)
	}
	if r.column("counter") != nil {
		return within + " AND (" + strings.Join(r.batches(), " OR ") + ")"
	}
	sequences := r.column("stream_sequence").([]uint64)
	return within + fmt.Sprintf(" AND stream_sequence BETWEEN %d AND %d", slices.Min(sequences), slices.Max(sequences))
}

// prober is one life of a vantage's prober, which counts its batches.
type prober struct {
	vantage string
	boot    uint64
}

// batches are the conditions of the rows' batches: of each prober the runs of numbers without a gap, for a block holds hundreds of batches and few runs.
func (r Rows) batches() []string {
	boots, counters := r.column("boot").([]uint64), r.column("counter").([]uint64)
	numbers := map[prober][]uint64{}
	for i := range boots {
		p := prober{r.vantage(i), boots[i]}
		if n := numbers[p]; len(n) == 0 || n[len(n)-1] != counters[i] {
			numbers[p] = append(n, counters[i])
		}
	}
	var conditions []string
	for p, n := range numbers {
		slices.Sort(n)
		n = slices.Compact(n)
		for first := 0; first < len(n); {
			last := first
			for last+1 < len(n) && n[last+1] == n[last]+1 {
				last++
			}
			conditions = append(conditions, fmt.Sprintf("vantage = %s AND boot = %d AND counter BETWEEN %d AND %d", quote(p.vantage), p.boot, n[first], n[last]))
			first = last + 1
		}
	}
	slices.Sort(conditions)
	return conditions
}

// Vantages are the distinct vantages of the rows, as SQL.
func (r Rows) Vantages() string {
	distinct := map[string]bool{}
	for i := range r.Count {
		distinct[quote(r.vantage(i))] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(distinct)), ", ")
}

// vantage is that of row i.
func (r Rows) vantage(i int) string {
	if v, ok := r.column("vantage").(clickhouse.Names); ok {
		return v.At(i)
	}
	return r.column("vantage").([]string)[i]
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
