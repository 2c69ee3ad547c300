// Package rank orders an app's candidates by cost, says how sure each cost is, and checks every gate.
// It is pure: the same inputs, topology and state give the same bytes, on any machine, at any time.
package rank

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// BinsPerOctave is how finely latencies are counted: 32 bins for each doubling, so that a bin is 2.2 % wide.
const BinsPerOctave = 32

// draws is how many times the luck of the blocks is drawn.
const draws = 400

// Inputs are everything the costs of a ranking are computed from. They are integers, so that a stored ranking can be computed again.
type Inputs struct {
	App      string    `json:"app"`
	Topology string    `json:"topology"`
	End      time.Time `json:"end"`
	WindowMS int64     `json:"window_ms"`
	// BlockMS is the length of a block, the unit of luck: samples close in time share theirs.
	BlockMS       int64 `json:"block_ms"`
	BinsPerOctave int   `json:"bins_per_octave"`
	// TimeoutUS is the cost of what failed, at least: a refusal that came at once is no better than no answer.
	TimeoutUS int64 `json:"timeout_us"`
	// Seed is text on the wire, because not every reader of JSON holds 64 bits.
	Seed  uint64 `json:"seed,string"`
	Draws int    `json:"draws"`
	// StreamSequence is the newest message of SAMPLES that is counted.
	StreamSequence uint64 `json:"stream_sequence"`
	Cells          []Cell `json:"cells"`
	// Declared is the hash of the topology without what was discovered.
	Declared string `json:"declared,omitempty"`
}

// Cell is what one vantage measured of one candidate by one kind of probe, block by block, oldest first. A region's database has no variant.
// Round trips that only a gate reads come as a single block.
type Cell struct {
	Vantage string `json:"vantage"`
	schemas.Candidate
	Kind string `json:"kind"`
	// NewestMS is when the newest sample was due, in milliseconds since 1970.
	NewestMS int64      `json:"newest_ms"`
	Blocks   Histograms `json:"blocks"`
	// TimedOut counts, block by block, the measurements that were given up sooner than the inputs' time-out, by the bin of their own. They are not among the blocks' failures.
	TimedOut Histograms `json:"timed_out,omitempty"`
}

// NewInputs lays out the window that ends at end, without any cells yet.
func NewInputs(app schemas.App, topology string, end time.Time) Inputs {
	end = end.UTC().Truncate(time.Millisecond)
	window := app.Objective.Window.D()
	return Inputs{
		App: app.Name, Topology: topology, End: end,
		WindowMS: window.Milliseconds(), BlockMS: app.Objective.Block().Milliseconds(),
		BinsPerOctave: BinsPerOctave, TimeoutUS: app.Probe.Timeout.D().Microseconds(),
		Seed: seed(app.Name, end), Draws: draws,
	}
}

// Aligned are the inputs with blocks that begin where the clock's do: what is counted by such blocks can be kept from one ranking to the next. The window begins earlier, by less than a block.
func (in Inputs) Aligned() Inputs {
	end := in.End.UnixMilli()
	in.WindowMS += (end - in.WindowMS) % in.BlockMS
	return in
}

func seed(app string, end time.Time) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s:%d", app, end.UnixMicro())
	return h.Sum64()
}

// Blocks is how many blocks the window has.
func (in Inputs) Blocks() int {
	return int((in.WindowMS + in.BlockMS - 1) / in.BlockMS)
}

// weights are how much each block counts: half as much as one that is younger by the half-life, from the end of the window to the block's middle.
func (in Inputs) weights(halfLife time.Duration) []float64 {
	all := make([]float64, in.Blocks())
	for b := range all {
		all[b] = 1
		if halfLife > 0 {
			from := int64(b) * in.BlockMS
			to := min(from+in.BlockMS, in.WindowMS)
			all[b] = math.Exp2((float64(from+to)/2 - float64(in.WindowMS)) / float64(halfLife.Milliseconds()))
		}
	}
	return all
}

// Counts says whether samples of a kind are part of the cost, and so needed block by block.
func Counts(app schemas.App, kind string) bool {
	return kind == app.Objective.Kind || kind == schemas.KindDBWrite.String() && writesCount(app)
}

// writesCount says whether the app's objective holds database writes that something measures.
func writesCount(app schemas.App) bool {
	return app.Objective.WritesPerRequest > 0 && (app.PrimaryDatabase != "" || slices.ContainsFunc(app.Endpoints, func(e schemas.Endpoint) bool { return e.Database != "" }))
}

// validate says whether the inputs can be computed with: they may come from storage.
func (in Inputs) validate() error {
	if in.WindowMS <= 0 || in.BlockMS <= 0 || in.TimeoutUS <= 0 || in.Draws <= 0 || in.BinsPerOctave != BinsPerOctave {
		return fmt.Errorf("inputs of %s: window, block, time-out, draws or bins are not what this release computes with", in.App)
	}
	for i := range in.Cells {
		c := &in.Cells[i]
		if n := max(len(c.Blocks), len(c.TimedOut)); n > in.Blocks() {
			return fmt.Errorf("inputs of %s: %s from %s has %d blocks, the window %d", in.App, c.Candidate, c.Vantage, n, in.Blocks())
		}
	}
	return nil
}

// sorted returns the inputs with their cells in one order, whatever order they were found in.
func (in Inputs) sorted() Inputs {
	if slices.IsSortedFunc(in.Cells, Cell.Compare) {
		return in
	}
	in.Cells = slices.SortedFunc(slices.Values(in.Cells), Cell.Compare)
	return in
}

// Compare orders cells by candidate, kind and vantage.
func (c Cell) Compare(o Cell) int {
	return cmp.Or(c.Candidate.Compare(o.Candidate), cmp.Compare(c.Kind, o.Kind), cmp.Compare(c.Vantage, o.Vantage))
}

// needed is how many samples a quantile needs before it is worth showing.
func needed(quantile float64) uint64 { return schemas.NeededSamples(quantile) }
