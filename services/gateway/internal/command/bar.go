package command

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/leeward-failover/leeward/schemas"
)

// barWidth is how many characters a bar has; a terminal with fewer than wideEnough columns shows none.
const (
	barWidth   = 24
	wideEnough = 100
)

// bars draw the intervals of candidates on one linear scale of milliseconds.
type bars struct {
	low, high float64
	width     int
	// marks are the line, its two ends, the cost, and the end of a cost that may be more.
	marks []rune
}

func (s style) newBars(all []schemas.RankedCandidate) bars {
	b := bars{low: math.Inf(1), high: math.Inf(-1), marks: []rune("─├┤●≥")}
	if s.ascii {
		b.marks = []rune("-||o>")
	}
	for _, k := range all {
		if drawn(k) {
			b.low, b.high = min(b.low, k.LowMS), max(b.high, k.HighMS)
		}
	}
	if b.low <= b.high && (s.columns == 0 || s.columns >= wideEnough) {
		b.width = barWidth
	}
	return b
}

func drawn(k schemas.RankedCandidate) bool { return k.Running && k.Enough }

// scale is the column's head: what its left and right ends stand for.
func (b bars) scale() string {
	low, high := fmt.Sprintf("%.1f", b.low), fmt.Sprintf("%.1f ms", b.high)
	return low + fmt.Sprintf("%*s", max(1, b.width-len(low)), high)
}

func (b bars) draw(k schemas.RankedCandidate) string {
	if !drawn(k) || b.width == 0 {
		return ""
	}
	line := slices.Repeat([]rune{' '}, b.width)
	from, to := b.at(k.LowMS), b.at(k.HighMS)
	for i := from; i <= to; i++ {
		line[i] = b.marks[0]
	}
	line[from], line[to], line[b.at(k.CostMS)] = b.marks[1], b.marks[2], b.marks[3]
	if k.Censored {
		line[to] = b.marks[4]
	}
	return string(line)
}

func (b bars) at(ms float64) int {
	if b.high <= b.low {
		return 0
	}
	return int(math.Round(float64(b.width-1) * min(1, max(0, (ms-b.low)/(b.high-b.low)))))
}

// columns is the width of a terminal, 0 for what is none.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
