// Package anomaly finds cells that became worse than they were, from a few numbers a minute, and says what these cells have in common. It does no I/O.
//
// Each minute every cell is compared with its own last two hours, three times: its median latency, its 95th percentile, and its failures.
// The Benjamini–Hochberg procedure decides over all cells at once which of these hypotheses are rejected, at a level that spends one false alarm a day evenly
// over the day's minutes. How sound the p-values are is said where they are computed.
package anomaly

import (
	"cmp"
	"math"
	"slices"
)

const (
	// Span is how many minutes are remembered: two hours.
	Span = 120
	// after is how many of the newest minutes are compared with those before them; half of them must be there.
	after    = 5
	enough   = 3
	baseline = Span - after
	// least is how many minutes the baseline must have.
	least = 30
)

// Cell is what samples belong to.
type Cell struct{ App, Region, Variant, Vantage, Kind string }

// Compare orders cells.
func (c Cell) Compare(o Cell) int {
	return cmp.Or(cmp.Compare(c.App, o.App), cmp.Compare(c.Region, o.Region), cmp.Compare(c.Variant, o.Variant), cmp.Compare(c.Vantage, o.Vantage), cmp.Compare(c.Kind, o.Kind))
}

// Minute is what is known of a cell's minute. The latencies are of samples that ended ok.
type Minute struct {
	Samples, Failures uint64
	P50MS, P95MS      float64
}

// series is a ring of a cell's minutes. A slot whose number is another minute's is empty.
type series struct {
	numbers [Span]int64
	minutes [Span]Minute
	// marked are minutes within an anomaly, which are no baseline of anything.
	marked [Span]bool
	newest int64
}

func (s *series) put(number int64, m Minute) {
	slot := number % Span
	if s.numbers[slot] > number {
		return // older than the ring remembers
	}
	if s.numbers[slot] != number {
		s.marked[slot] = false
	}
	s.numbers[slot], s.minutes[slot] = number, m
	s.newest = max(s.newest, number)
}

func (s *series) mark(from, to int64, marked bool) {
	for number := max(from, to-Span+1); number <= to; number++ {
		if slot := number % Span; s.numbers[slot] == number {
			s.marked[slot] = marked
		}
	}
}

// at gives a minute, unless there is none; base leaves out marked ones.
func (s *series) at(number int64, base bool) (Minute, bool) {
	slot := number % Span
	if number < 0 || s.numbers[slot] != number || base && s.marked[slot] {
		return Minute{}, false
	}
	return s.minutes[slot], true
}

// window is a cell's minutes as one look sees them: a value per minute, NaN where there is none.
type window struct {
	// before are the minutes of the baseline, oldest first; now are the newest.
	before, now []float64
}

// cut takes a measure of the minutes up to the newest one.
func (s *series) cut(newest int64, measure func(Minute) float64) window {
	values := make([]float64, Span)
	for i := range values {
		number := newest - Span + 1 + int64(i)
		m, ok := s.at(number, i < baseline)
		if values[i] = math.NaN(); ok {
			values[i] = measure(m)
		}
	}
	return window{values[:baseline], values[baseline:]}
}

// present are the values that are there.
func present(values []float64) []float64 {
	some := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			some = append(some, v)
		}
	}
	return some
}

// median is the middle of the values that are there, NaN when there is none.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile interpolates between order statistics of the values that are there.
func quantile(values []float64, q float64) float64 {
	sorted := present(values)
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	place := q * float64(len(sorted)-1)
	low := int(place)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (place-float64(low))*(sorted[high]-sorted[low])
}
