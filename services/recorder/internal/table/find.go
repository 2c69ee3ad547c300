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
// Samples are found by their batches, which have names for ever. Of the other tables each begins with a time and ends with the sequence in the stream,
// which begins anew with a stream; two streams of one moment there are none, but for samples in the domains of regions: what is kept apart of these is told by its vantage, too.
func (r Rows) Find() string {
	if r.Table == "samples" {
		due := r.Columns[0].Values.([]int64)
		return fmt.Sprintf("due BETWEEN fromUnixTimestamp64Milli(%d, 'UTC') AND fromUnixTimestamp64Milli(%d, 'UTC') AND (%s)", slices.Min(due), slices.Max(due), strings.Join(r.batches(), " OR "))
	}
	at, sequences := r.Columns[0].Values.([]time.Time), r.Columns[len(r.Columns)-1].Values.([]uint64)
	first, last := slices.MinFunc(at, time.Time.Compare), slices.MaxFunc(at, time.Time.Compare)
	// A millisecond more on either side, for columns that hold no more than milliseconds.
	find := fmt.Sprintf("%s BETWEEN fromUnixTimestamp64Micro(%d, 'UTC') AND fromUnixTimestamp64Micro(%d, 'UTC') AND stream_sequence BETWEEN %d AND %d",
		r.Columns[0].Name, first.UnixMicro()-1000, last.UnixMicro()+1000, slices.Min(sequences), slices.Max(sequences))
	if vantages, ok := r.column("vantage").([]string); ok {
		find += " AND vantage IN (" + quoted(vantages) + ")"
	}
	return find
}

func quoted(texts []string) string {
	distinct := map[string]bool{}
	for _, text := range texts {
		distinct[quote(text)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(distinct)), ", ")
}

// prober is one life of a vantage's prober, which counts its batches.
type prober struct {
	vantage string
	boot    uint64
}

// batches are the conditions of the samples' batches: of each prober the runs of numbers without a gap, for a block holds hundreds of batches and few runs.
func (r Rows) batches() []string {
	vantages, boots, counters := r.column("vantage").(clickhouse.Names), r.column("boot").([]uint64), r.column("counter").([]uint64)
	numbers := map[prober][]uint64{}
	for i := range boots {
		p := prober{vantages.At(i), boots[i]}
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
