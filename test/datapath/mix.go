// Package datapath makes the load that the data path is measured with: the samples of twenty vantages that watch twenty regions, as probers would send them.
package datapath

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// The world that is measured has vantages x regions x variants x kinds = 6,400 cells.
const (
	Vantages = 20
	regions  = 20
	variants = 4
)

// Rate is how many samples a second the load stands for: due times are as far apart as at this rate, however fast it is sent.
const Rate = 20_000

// shares are the parts of the mix, in percent of the samples.
var shares = map[schemas.Kind]int{schemas.KindICMP: 50, schemas.KindTCP: 10, schemas.KindHTTP: 30, schemas.KindDBRead: 10}

// cell is what one vantage measures on a beat of its own.
type cell struct {
	region, variant string
	kind            schemas.Kind
	// rtt is the median round trip, in microseconds.
	rtt  float64
	beat time.Duration
	next time.Time
}

// Vantage is one prober's load.
type Vantage struct {
	Name string

	random  *rand.Rand
	cells   []cell
	from    time.Time
	waiting []schemas.Sample // begun and not ended at from
	boot    uint64
	counter uint64
}

// Name is the name of the i-th vantage.
func Name(i int) string { return fmt.Sprintf("vantage-%02d", i) }

// Names are the names of all vantages.
func Names() []string {
	names := make([]string, Vantages)
	for i := range names {
		names[i] = Name(i)
	}
	return names
}

// New returns the load of the i-th vantage from a time on, of some kinds or, with none named, of all. Equal arguments give equal loads.
func New(i int, from time.Time, boot uint64, kinds ...schemas.Kind) *Vantage {
	v := &Vantage{Name: Name(i), random: rand.New(rand.NewPCG(uint64(i), boot)), from: from, boot: boot}
	for r := range regions {
		// How far apart two places are depends on the places alone: 2 to 180 ms, as between the regions of a cloud.
		rtt := 2000 + 178_000*rand.New(rand.NewPCG(uint64(i), uint64(r))).Float64()
		for variant := range variants {
			for _, kind := range []schemas.Kind{schemas.KindICMP, schemas.KindTCP, schemas.KindHTTP, schemas.KindDBRead} {
				if len(kinds) > 0 && !slices.Contains(kinds, kind) {
					continue
				}
				rate := float64(Rate) / Vantages * float64(shares[kind]) / 100 / (regions * variants)
				beat := time.Duration(float64(time.Second) / rate)
				// A prober's due times are on a beat since 1970 with a phase for each cell.
				next := from.Truncate(beat).Add(time.Duration(rand.New(rand.NewPCG(uint64(i*regions+r), uint64(variant)<<8|uint64(kind))).Float64() * float64(beat)))
				for next.Before(from) {
					next = next.Add(beat)
				}
				v.cells = append(v.cells, cell{region: fmt.Sprintf("region-%02d", r), variant: fmt.Sprintf("variant-%d", variant), kind: kind, rtt: rtt, beat: beat, next: next})
			}
		}
	}
	return v
}

// Batch returns the samples that end in the next span of time, in the order they end, or none.
func (v *Vantage) Batch(span time.Duration) *schemas.SampleBatch {
	until := v.from.Add(span)
	v.from = until
	for i := range v.cells {
		for c := &v.cells[i]; c.next.Before(until); c.next = c.next.Add(c.beat) {
			v.waiting = append(v.waiting, v.sample(c))
		}
	}
	end := func(s schemas.Sample) int64 { return s.DueUS + int64(s.LatencyUS) }
	slices.SortStableFunc(v.waiting, func(a, b schemas.Sample) int { return int(end(a) - end(b)) })
	n, _ := slices.BinarySearchFunc(v.waiting, until.UnixMicro(), func(s schemas.Sample, t int64) int { return int(end(s) - t) })
	if n == 0 {
		return nil
	}
	v.counter++
	b := &schemas.SampleBatch{Vantage: v.Name, VantageRegion: "region-00", Boot: v.boot, Counter: v.counter, Topology: "a1b2c3d4e5f60718"}
	for _, s := range v.waiting[:n] {
		b.Append(s)
	}
	v.waiting = slices.Delete(v.waiting, 0, n)
	return b
}

// Span is the length of the next batch: one that holds 100 to 1,000 samples of the whole mix.
func (v *Vantage) Span() time.Duration {
	return time.Duration((100 + v.random.Float64()*900) / (Rate / Vantages) * float64(time.Second))
}

// sample measures once. Round trips are lognormal with a spread of 10 %; 2 % are outliers of 3 to 30 times as long, and one outlier in ten fails.
func (v *Vantage) sample(c *cell) schemas.Sample {
	s := schemas.Sample{App: "shop", Region: c.region, Variant: c.variant, Kind: c.kind, Outcome: schemas.OK, DueUS: c.next.UnixMicro()}
	slow := 1.0
	if v.random.Float64() < 0.02 {
		slow = 3 * math.Pow(10, v.random.Float64())
		if v.random.Float64() < 0.1 {
			s.Outcome, slow = schemas.TimedOut, 0
		}
	}
	s.LateUS = v.lognormal(70, 0.4)
	if slow == 0 {
		s.LatencyUS = s.LateUS + 1_000_000 + v.lognormal(100, 0.5)
		return s
	}
	trip := func() uint32 { return v.lognormal(c.rtt, 0.1) }
	// What is slow is the last trip; of the others one would not know.
	switch c.kind {
	case schemas.KindICMP:
		s.LatencyUS = s.LateUS + uint32(slow*float64(trip()))
	case schemas.KindTCP:
		s.ConnectUS = uint32(slow * float64(trip()))
		s.LatencyUS = s.LateUS + s.ConnectUS
	case schemas.KindHTTP:
		s.DNSUS, s.ConnectUS, s.TLSUS = v.lognormal(900, 0.3), trip(), trip()+v.lognormal(1500, 0.2)
		s.WriteUS, s.FirstByteUS, s.TransferUS = v.lognormal(25, 0.3), uint32(slow*float64(trip()+v.lognormal(4000, 0.4))), v.lognormal(150, 0.5)
		s.LatencyUS, s.Status = s.LateUS+s.DNSUS+s.ConnectUS+s.TLSUS+s.WriteUS+s.FirstByteUS+s.TransferUS, 200
	default:
		s.LatencyUS = s.LateUS + uint32(slow*float64(trip()+v.lognormal(2000, 0.4)))
	}
	return s
}

func (v *Vantage) lognormal(median, sigma float64) uint32 {
	return uint32(median * math.Exp(sigma*v.random.NormFloat64()))
}
