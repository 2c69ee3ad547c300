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

// Read reads a matrix from CSV with the columns window_end, src, dst and avg_rtt_ms.
func Read(r io.Reader) (Matrix, error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return Matrix{}, err
	}
	if len(records) < 2 || !slices.Equal(records[0], header) {
		return Matrix{}, fmt.Errorf("not a matrix: the columns are %v, and a row follows", header)
	}
	found := map[string]map[pair]float64{}
	seen := map[string]map[string]bool{}
	for i, f := range records[1:] {
		ms, err := strconv.ParseFloat(f[3], 64)
		if err != nil || ms < 0 || math.IsNaN(ms) || math.IsInf(ms, 0) {
			return Matrix{}, fmt.Errorf("row %d: %q is no round trip in milliseconds", i+2, f[3])
		}
		week := f[0]
		if _, err := time.Parse(time.DateOnly, week); err != nil {
			return Matrix{}, fmt.Errorf("row %d: %w", i+2, err)
		}
		if found[week] == nil {
			found[week] = map[pair]float64{}
		}
		found[week][pair{f[1], f[2]}] = ms
		for _, region := range f[1:3] {
			if seen[region] == nil {
				seen[region] = map[string]bool{}
			}
			seen[region][week] = true
		}
	}
	var m Matrix
	for _, region := range slices.Sorted(maps.Keys(seen)) {
		if len(seen[region]) == len(found) {
			m.Regions = append(m.Regions, region)
		}
	}
	if len(m.Regions) < 3 {
		return Matrix{}, errors.New("fewer than three regions have data in every week")
	}
	for _, week := range slices.Sorted(maps.Keys(found)) {
		m.Weeks = append(m.Weeks, weekOf(m.Regions, found[week]))
	}
	return m, nil
}

type pair struct{ from, to string }

func weekOf(regions []string, found map[pair]float64) Week {
	w := make(Week, len(regions))
	for i, from := range regions {
		for j, to := range regions {
			ms, ok := found[pair{from, to}]
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
