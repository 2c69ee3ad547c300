package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// slice is the time whose measurements are kept together; windows and blocks are whole numbers of slices.
const slice = 5 * time.Second

// epoch is where simulated time begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Stream measures a world slice by slice and lays the last window out as the ranking's inputs.
type Stream struct {
	world  World
	random *rand.Rand
	// phase is where in a minute the stream began.
	phase           time.Duration
	now             time.Duration
	minute          int
	vantage, region []float64
	// slices are the last window's, oldest first: the bins that each cell measured.
	slices [][][]int32
}

// NewStream begins to measure. The first window is full after its length.
func NewStream(w World, random *rand.Rand) *Stream {
	s := &Stream{world: w, random: random, phase: time.Duration(random.IntN(int(time.Minute/slice))) * slice}
	s.vantage = s.shocks(len(w.Topology.Vantages), w.Shock.Vantage)
	s.region = s.shocks(len(w.Topology.Regions), w.Shock.Region)
	return s
}

func (s *Stream) shocks(n int, deviation float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = deviation * s.random.NormFloat64()
	}
	return all
}

// next lets a minute pass: an autoregression of the first order whose deviation stays.
func (s *Stream) next(shocks []float64, deviation float64) {
	p := s.world.Shock.Persistence
	for i := range shocks {
		shocks[i] = p*shocks[i] + math.Sqrt(1-p*p)*deviation*s.random.NormFloat64()
	}
}

// Advance measures for a time, a whole number of slices.
func (s *Stream) Advance(span time.Duration) {
	for end := s.now + span; s.now < end; s.now += slice {
		for minute := int((s.now + s.phase) / time.Minute); s.minute < minute; s.minute++ {
			s.next(s.vantage, s.world.Shock.Vantage)
			s.next(s.region, s.world.Shock.Region)
		}
		s.slices = append(s.slices, s.measure())
		if n := int(s.world.app().Objective.Window.D() / slice); len(s.slices) > n {
			s.slices = s.slices[len(s.slices)-n:]
		}
	}
}

// measure draws one slice of every cell.
func (s *Stream) measure() [][]int32 {
	app := s.world.app()
	timeout := float64(app.Probe.Timeout.D().Microseconds()) / 1000
	links := s.world.Regimes[s.world.regime(s.now)].Links
	regions := s.world.regions()
	perSlice := max(1, int(slice/app.Probe.Interval.D()))
	all := make([][]int32, 0, len(s.vantage)*len(app.Endpoints))
	bins := make([]int32, perSlice*cap(all))
	for v := range s.world.Topology.Vantages {
		for c := range app.Endpoints {
			shock := s.vantage[v] + s.region[regions[c]]
			mine := bins[:perSlice:perSlice]
			bins = bins[perSlice:]
			for i := range mine {
				mine[i] = links[v][c].draw(s.random, shock, timeout)
			}
			all = append(all, mine)
		}
	}
	return all
}

// regions is the number of each endpoint's region.
func (w World) regions() []int {
	all := make([]int, len(w.app().Endpoints))
	for c, e := range w.app().Endpoints {
		for i, r := range w.Topology.Regions {
			if r.Name == e.Region {
				all[c] = i
			}
		}
	}
	return all
}

// End is the time up to which the stream has measured.
func (s *Stream) End() time.Time { return epoch.Add(s.now) }

// Inputs are those of the window that ends now.
func (s *Stream) Inputs() (rank.Inputs, error) {
	w := s.world
	app := w.app()
	in := rank.NewInputs(app, "simulated", s.End())
	perBlock := int(time.Duration(in.BlockMS) * time.Millisecond / slice)
	for v := range w.Topology.Vantages {
		for c, e := range app.Endpoints {
			cell := rank.Cell{Vantage: w.Topology.Vantages[v].Name, Candidate: e.Candidate(), Kind: app.Objective.Kind, NewestMS: in.End.Add(-time.Second).UnixMilli()}
			for b := range in.Blocks() {
				h, err := s.block(v*len(app.Endpoints)+c, b*perBlock, min((b+1)*perBlock, len(s.slices)))
				if err != nil {
					return in, err
				}
				cell.Blocks = append(cell.Blocks, h)
			}
			in.Cells = append(in.Cells, cell)
		}
	}
	return in, nil
}

// block counts what a cell measured in the slices from one number up to another.
func (s *Stream) block(cell, from, to int) (rank.Histogram, error) {
	var failures uint64
	var bins []int32
	for _, measured := range s.slices[from:to] {
		for _, b := range measured[cell] {
			if b == lost {
				failures++
			} else {
				bins = append(bins, b)
			}
		}
	}
	ones := make([]uint64, len(bins))
	for i := range ones {
		ones[i] = 1
	}
	return rank.NewHistogram(failures, bins, ones)
}
