package anomaly

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

const (
	// accepted is how long an anomaly lasts before the new levels are what is normal.
	accepted = 24 * time.Hour
	// silence is how many minutes a cell may be without samples and still be measured.
	silence = 10
)

// Detector holds the minutes of every cell and the anomalies that are open. It is not safe for concurrent use.
type Detector struct {
	cells map[Cell]*series
	open  []schemas.AnomalyDetected
	// found are the cells of the look before this one.
	found []Cell
}

// NewDetector goes on with anomalies that were told of earlier.
func NewDetector(open []schemas.AnomalyDetected) *Detector {
	return &Detector{cells: map[Cell]*series{}, open: slices.Clone(open)}
}

// Open are the anomalies that have not ended.
func (d *Detector) Open() []schemas.AnomalyDetected { return slices.Clone(d.open) }

// Add sets a cell's minute, numbered since 1970. A minute may be set again when more of it is known.
func (d *Detector) Add(c Cell, number int64, m Minute) {
	s := d.cells[c]
	if s == nil {
		s = &series{}
		d.cells[c] = s
	}
	s.put(number, m)
}

// Forgive keeps the minutes of an anomaly that has ended out of the baselines.
func (d *Detector) Forgive(e schemas.AnomalyDetected) {
	d.mark(e, minuteOf(e.Since), minuteOf(e.At), true)
}

func (d *Detector) mark(e schemas.AnomalyDetected, from, to int64, marked bool) {
	s := scopeOf(e.Scope)
	for c, series := range d.cells {
		if s.has(c) {
			series.mark(from, to, marked)
		}
	}
}

// Look judges the minute of that number, the newest one, and returns what began and what ended in it.
func (d *Detector) Look(number int64, at time.Time) []schemas.AnomalyDetected {
	for _, e := range d.open {
		d.mark(e, minuteOf(e.Since), number, true)
	}
	measured := d.measured(number)
	ended := d.end(number, at, measured)
	began := d.begin(number, at, measured)
	for i, e := range d.open {
		if into := slices.IndexFunc(began, func(b schemas.AnomalyDetected) bool { return scopeOf(b.Scope).contains(scopeOf(e.Scope)) }); into >= 0 {
			d.open[i].State = schemas.AnomalyEnded
			ended = append(ended, endedOf(e, at, "part of "+began[into].ID))
		}
	}
	d.open = append(slices.DeleteFunc(d.open, func(e schemas.AnomalyDetected) bool { return e.State == schemas.AnomalyEnded }), began...)
	return append(ended, began...)
}

// measured are the cells that still have samples, in order. Those without for as long as anything is remembered are dropped.
func (d *Detector) measured(number int64) []Cell {
	maps.DeleteFunc(d.cells, func(_ Cell, s *series) bool { return s.newest <= number-Span })
	var all []Cell
	for c, s := range d.cells {
		if s.newest > number-silence {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, Cell.Compare)
	return all
}

// end returns the open anomalies of which at most one cell in four is still worse, and those that have lasted until they are what is normal.
func (d *Detector) end(number int64, at time.Time, measured []Cell) []schemas.AnomalyDetected {
	var ended []schemas.AnomalyDetected
	d.open = slices.DeleteFunc(d.open, func(e schemas.AnomalyDetected) bool {
		reason := d.over(e, number, at, measured)
		if reason == "" {
			return false
		}
		if at.Sub(e.Since) >= accepted {
			d.mark(e, number-Span, number, false)
		}
		ended = append(ended, endedOf(e, at, reason))
		return true
	})
	return ended
}

// over is why an anomaly has ended, empty while it lasts.
func (d *Detector) over(e schemas.AnomalyDetected, number int64, at time.Time, measured []Cell) string {
	there, worse := 0, 0
	for _, k := range e.Cells {
		c := cellOf(k)
		if _, ok := slices.BinarySearchFunc(measured, c, Cell.Compare); !ok {
			continue
		}
		there++
		if worsened(k, d.cells[c].level(number)) {
			worse++
		}
	}
	switch {
	case there == 0:
		return "none of its cells is measured any more"
	case float64(worse) <= (1-most)*float64(there):
		return fmt.Sprintf("%d of %d cells are as before", there-worse, there)
	case at.Sub(e.Since) >= accepted:
		return "it has lasted for a day and is what is normal now"
	}
	return ""
}

// worsened says whether a cell is still nearer to what it became than to what it was, in any measure that moved. A level that is not known has not come back.
func worsened(k schemas.AnomalyCell, now schemas.AnomalyLevel) bool {
	return slices.ContainsFunc(k.Measures, func(m schemas.AnomalyMeasure) bool {
		switch m {
		case schemas.AnomalyLatency:
			return now.P50MS == 0 || now.P50MS > math.Sqrt(k.Before.P50MS*k.After.P50MS)
		case schemas.AnomalyTail:
			return now.P95MS == 0 || now.P95MS > math.Sqrt(k.Before.P95MS*k.After.P95MS)
		}
		return now.Loss > (k.Before.Loss+k.After.Loss)/2
	})
}

// look is what one minute's tests say.
type look struct {
	// known are the cells that can be tested, found those whose change is a discovery and belongs to no open anomaly.
	known, found []Cell
	// moved are the cells that became worse, those of open anomalies among them.
	moved map[Cell]schemas.AnomalyCell
	// p and q are the least of a cell's hypotheses, since is when they date the change.
	p, q  map[Cell]float64
	since map[Cell]int
}

// begin returns the anomalies that the minute's tests find. One is told of when a cell of it was found in the look before, too: those of its cells that are the first to show are joined by the others.
func (d *Detector) begin(number int64, at time.Time, measured []Cell) []schemas.AnomalyDetected {
	l := d.look(number, measured)
	var began []schemas.AnomalyDetected
	for _, g := range common(l.found, l.moved, l.known) {
		if slices.ContainsFunc(d.found, func(c Cell) bool { _, ok := l.moved[c]; return ok && g.scope.has(c) }) {
			began = append(began, l.tell(g, number, at))
		}
	}
	d.found = l.found
	return began
}

// look tests every cell. Those of open anomalies are no discoveries, nor do they make any easier.
func (d *Detector) look(number int64, measured []Cell) look {
	l := look{moved: map[Cell]schemas.AnomalyCell{}, p: map[Cell]float64{}, q: map[Cell]float64{}, since: map[Cell]int{}}
	var free, taken []hypothesis
	for _, c := range measured {
		tested := d.test(c, number)
		if len(tested) > 0 {
			l.known = append(l.known, c)
		}
		if open, cell := d.covered(c, number); !open {
			free = append(free, tested...)
		} else if taken = append(taken, tested...); cell.Vantage != "" {
			l.moved[c] = cell
		}
	}
	discover(free)
	for _, h := range append(free, taken...) {
		if h.p <= suspicion {
			l.move(h, d.cells[h.cell], number)
		}
		if h.q > 0 && h.q <= perMinute && (len(l.found) == 0 || l.found[len(l.found)-1] != h.cell) {
			l.found = append(l.found, h.cell)
		}
	}
	return l
}

// move notes that a measure of a cell became worse.
func (l *look) move(h hypothesis, s *series, number int64) {
	k, ok := l.moved[h.cell]
	if !ok {
		c := h.cell
		k = schemas.AnomalyCell{App: c.App, Region: c.Region, Variant: c.Variant, Vantage: c.Vantage, Kind: c.Kind, Before: s.before(number), After: s.level(number)}
	}
	if !slices.Contains(k.Measures, measures[h.measure]) {
		k.Measures = append(slices.Clone(k.Measures), measures[h.measure])
	}
	l.moved[h.cell] = k
	if p, ok := l.p[h.cell]; !ok || h.p < p {
		l.p[h.cell], l.q[h.cell], l.since[h.cell] = h.p, h.q, h.since
	}
}

// covered says whether the scope of an open anomaly has the cell, and how the cell moved there if it is still worse.
func (d *Detector) covered(c Cell, number int64) (open bool, worse schemas.AnomalyCell) {
	for _, e := range d.open {
		if !scopeOf(e.Scope).has(c) {
			continue
		}
		open = true
		for _, k := range e.Cells {
			if cellOf(k) == c && worsened(k, d.cells[c].level(number)) {
				worse = k
			}
		}
	}
	return open, worse
}

// measures are the three things tested of a cell, in the order of hypothesis.measure.
var measures = []schemas.AnomalyMeasure{schemas.AnomalyLatency, schemas.AnomalyTail, schemas.AnomalyLoss}

// test gives the hypotheses of a cell that can be tested.
func (d *Detector) test(c Cell, number int64) []hypothesis {
	s := d.cells[c]
	var all []hypothesis
	for i, r := range []result{rise(s.cut(number, logP50)), rise(s.cut(number, logP95)), s.lossier(number)} {
		if r.tested {
			all = append(all, hypothesis{cell: c, measure: i, result: r})
		}
	}
	return all
}

func logP50(m Minute) float64 { return logOf(m.P50MS) }

func logP95(m Minute) float64 { return logOf(m.P95MS) }

func logOf(ms float64) float64 {
	if !(ms > 0) {
		return math.NaN()
	}
	return math.Log(ms)
}

func lossOf(m Minute) float64 {
	if m.Samples == 0 {
		return math.NaN()
	}
	return float64(m.Failures) / float64(m.Samples)
}

// lossier cuts the counts of failures, tests them and dates the change.
func (s *series) lossier(number int64) result {
	r := lossier(s.tallies(number-Span+1, number-after, true), s.tallies(number-after+1, number, false))
	if r.p < 1 {
		w := s.cut(number, lossOf)
		r.since = change(w, trimmed(w.before), trimmed(w.now)).since
	}
	return r
}

func (s *series) tallies(from, to int64, base bool) []tally {
	var all []tally
	for n := from; n <= to; n++ {
		if m, ok := s.at(n, base); ok && m.Samples > 0 {
			all = append(all, tally{float64(m.Failures), float64(m.Samples)})
		}
	}
	return all
}

// level is how a cell is over the newest minutes.
func (s *series) level(number int64) schemas.AnomalyLevel {
	return levelOf(s.cut(number, logP50).now, s.cut(number, logP95).now, s.cut(number, lossOf).now)
}

// before is how it was over the baseline.
func (s *series) before(number int64) schemas.AnomalyLevel {
	return levelOf(s.cut(number, logP50).before, s.cut(number, logP95).before, s.cut(number, lossOf).before)
}

// levelOf takes the middle of logarithms, but of losses the mean without a tenth at each end: the middle of mostly nothing is nothing.
func levelOf(p50, p95, loss []float64) schemas.AnomalyLevel {
	back := func(v float64) float64 {
		if math.IsNaN(v) {
			return 0
		}
		return math.Exp(v)
	}
	return schemas.AnomalyLevel{P50MS: back(median(p50)), P95MS: back(median(p95)), Loss: trimmed(loss)}
}

// trimmed is the mean of the values that are there without a tenth of them at each end, but of five without the lowest and the highest.
func trimmed(values []float64) float64 {
	some := present(values)
	slices.Sort(some)
	cut := (len(some) + 9) / 10
	if len(some) <= 2*cut {
		cut = 0
	}
	mean := 0.0
	for _, v := range some[cut : len(some)-cut] {
		mean += v / float64(len(some)-2*cut)
	}
	return mean
}

// tell describes a group of cells.
func (l look) tell(g group, number int64, at time.Time) schemas.AnomalyDetected {
	e := schemas.AnomalyDetected{State: schemas.AnomalyBegan, Scope: g.scope.event(), Apps: distinct(g.moved, func(c Cell) string { return c.App }),
		Moved: len(g.moved), Of: len(g.of), MovedVantages: vantages(g.moved), OfVantages: vantages(g.of), PValue: 1, QValue: 1, DetectedAt: at, At: at}
	if len(e.Apps) == 1 {
		e.App = e.Apps[0]
	}
	var since []int
	for _, c := range g.moved {
		e.Cells = append(e.Cells, l.moved[c])
		if p, ok := l.p[c]; ok {
			e.PValue, e.QValue = min(e.PValue, p), min(e.QValue, cmp.Or(l.q[c], 1))
			since = append(since, l.since[c])
		}
	}
	slices.SortStableFunc(e.Cells, func(a, b schemas.AnomalyCell) int { return cmp.Compare(badness(b), badness(a)) })
	e.Cells = e.Cells[:min(len(e.Cells), schemas.MaxAnomalyCells)]
	slices.Sort(since)
	e.Since = time.Unix((number-int64(since[len(since)/2]))*60, 0).UTC()
	e.ID = idOf(e.Scope, e.Since)
	return e
}

// badness orders cells for an event that can not name all.
func badness(k schemas.AnomalyCell) float64 {
	return max(k.After.P50MS/max(k.Before.P50MS, 1), k.After.P95MS/max(k.Before.P95MS, 1)) + 10*max(k.After.Loss-k.Before.Loss, 0)
}

func idOf(s schemas.AnomalyScope, since time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %d", s.Vantage, s.Region, s.App, s.Variant, s.Kind, since.Unix()))
	return hex.EncodeToString(sum[:6])
}

func endedOf(e schemas.AnomalyDetected, at time.Time, reason string) schemas.AnomalyDetected {
	e.State, e.At, e.Reason = schemas.AnomalyEnded, at, reason
	return e
}

func cellOf(k schemas.AnomalyCell) Cell {
	return Cell{App: k.App, Region: k.Region, Variant: k.Variant, Vantage: k.Vantage, Kind: k.Kind}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }
