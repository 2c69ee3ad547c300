// Package backtest plays recorded round trips to the ranker's stability week by week and says how good its choices were some weeks later, beside simple rules.
package backtest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// Matrix is the average round trips between regions, week by week, oldest first.
type Matrix struct {
	// Regions are those with data in every week.
	Regions []string
	Weeks   []Week
}

// Week holds milliseconds by the measuring region and the measured one, numbered as the regions are; NaN where there is no figure.
type Week [][]float64

var header = []string{"window_end", "src", "dst", "avg_rtt_ms"}

// Read reads a matrix from CSV with the columns window_end, src, dst and avg_rtt_ms. It refuses what would be judged wrong without a word: two figures of one pair
// in one week, and weeks that are not seven days apart. An error names the line.
func Read(r io.Reader) (Matrix, error) {
	f, err := figuresOf(r)
	if err != nil {
		return Matrix{}, err
	}
	weeks, err := f.weekly()
	if err != nil {
		return Matrix{}, err
	}
	m := Matrix{Regions: f.everywhere()}
	if len(m.Regions) < 3 {
		return Matrix{}, errors.New("fewer than three regions have data in every week")
	}
	for _, week := range weeks {
		m.Weeks = append(m.Weeks, weekOf(m.Regions, f.found[week]))
	}
	return m, nil
}

// figures are the rows of a matrix, by the day on which a week ends.
type figures struct {
	found map[time.Time]map[pair]figure
	// seen are the weeks of a region.
	seen map[string]map[time.Time]bool
}

// figure is a round trip in milliseconds, and the line it stands in.
type figure struct {
	ms   float64
	line int
}

func figuresOf(r io.Reader) (figures, error) {
	in := csv.NewReader(r)
	first, err := in.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return figures{}, err
	}
	f := figures{map[time.Time]map[pair]figure{}, map[string]map[time.Time]bool{}}
	for slices.Equal(first, header) {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, err
		}
		line, _ := in.FieldPos(0)
		if err := f.add(row, line); err != nil {
			return f, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(f.found) == 0 {
		return f, fmt.Errorf("not a matrix: the columns are %v, and a row follows", header)
	}
	return f, nil
}

func (f figures) add(row []string, line int) error {
	ms, err := strconv.ParseFloat(row[3], 64)
	if err != nil || ms < 0 || math.IsNaN(ms) || math.IsInf(ms, 0) {
		return fmt.Errorf("%q is no round trip in milliseconds", row[3])
	}
	week, err := time.Parse(time.DateOnly, row[0])
	if err != nil {
		return err
	}
	if f.found[week] == nil {
		f.found[week] = map[pair]figure{}
	}
	p := pair{row[1], row[2]}
	if old, ok := f.found[week][p]; ok {
		return fmt.Errorf("%s to %s in the week of %s stands in line %d already: leave one of them out", p.from, p.to, row[0], old.line)
	}
	f.found[week][p] = figure{ms, line}
	for _, region := range row[1:3] {
		if f.seen[region] == nil {
			f.seen[region] = map[time.Time]bool{}
		}
		f.seen[region][week] = true
	}
	return nil
}

// weekly are the weeks, oldest first. A horizon and what lasts of an average are counted in weeks, so none may be left out.
func (f figures) weekly() ([]time.Time, error) {
	weeks := slices.SortedFunc(maps.Keys(f.found), time.Time.Compare)
	for i := 1; i < len(weeks); i++ {
		if days := int(weeks[i].Sub(weeks[i-1]).Hours() / 24); days != 7 {
			return nil, fmt.Errorf("line %d: window_end %s comes %d days after %s, not 7: add what lies between, or cut the file there", f.line(weeks[i]),
				weeks[i].Format(time.DateOnly), days, weeks[i-1].Format(time.DateOnly))
		}
	}
	return weeks, nil
}

// line is the first one of a week.
func (f figures) line(week time.Time) int {
	first := math.MaxInt
	for _, one := range f.found[week] {
		first = min(first, one.line)
	}
	return first
}

// everywhere are the regions with data in every week, by name.
func (f figures) everywhere() []string {
	var all []string
	for _, region := range slices.Sorted(maps.Keys(f.seen)) {
		if len(f.seen[region]) == len(f.found) {
			all = append(all, region)
		}
	}
	return all
}

type pair struct{ from, to string }

func weekOf(regions []string, found map[pair]figure) Week {
	w := make(Week, len(regions))
	for i, from := range regions {
		for j, to := range regions {
			f, ok := found[pair{from, to}]
			ms := f.ms
			switch {
			case i == j:
				ms = 0
			case !ok:
				ms = math.NaN()
			}
			w[i] = append(w[i], ms)
		}
	}
	return w
}

// costs are what each region costs the clients of the mix; NaN for one that is not eligible: the primary, and any without a figure from a client's region.
func (w Week) costs(primary int, mix []float64) []float64 {
	all := make([]float64, len(mix))
	for to := range all {
		for from, weight := range mix {
			all[to] += weight * w[from][to]
		}
	}
	all[primary] = math.NaN()
	return all
}

func costsOf(weeks []Week, primary int, mix []float64) [][]float64 {
	all := make([][]float64, len(weeks))
	for t, w := range weeks {
		all[t] = w.costs(primary, mix)
	}
	return all
}
