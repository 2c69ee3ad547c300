package stats

import (
	"slices"

	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// room is memory for histograms that is used again for each ranking.
type room struct {
	histograms []rank.Histogram
	numbers    []uint64
}

func (r *room) clear() { r.histograms, r.numbers = r.histograms[:0], r.numbers[:0] }

// blocks lays counts out in n blocks. Those of blocks to come, of a vantage whose clock is ahead, wait.
func (r *room) blocks(counts []count, first int64, n int) []rank.Histogram {
	at := len(r.histograms)
	r.histograms = slices.Grow(r.histograms, n)[:at+n]
	all := r.histograms[at : at+n : at+n]
	clear(all)
	for len(counts) > 0 {
		end := 1
		for end < len(counts) && counts[end].block() == counts[0].block() {
			end++
		}
		if b := counts[0].block() - first; b < int64(n) {
			all[b] = r.histogram(counts[:end])
		}
		counts = counts[end:]
	}
	return all
}

// histogram is that of one block's counts.
func (r *room) histogram(counts []count) (h rank.Histogram) {
	if counts[0].bin() == failed {
		h.Failures = counts[0].n()
		counts = counts[1:]
	}
	if len(counts) == 0 {
		return h
	}
	h.First = counts[0].bin()
	n := counts[len(counts)-1].bin() - h.First + 1
	at := len(r.numbers)
	r.numbers = slices.Grow(r.numbers, n)[:at+n]
	h.Counts = r.numbers[at : at+n : at+n]
	clear(h.Counts)
	for _, c := range counts {
		h.Counts[c.bin()-h.First] = c.n()
	}
	return h
}

// whole puts all counts into one block.
func whole(counts []count) []rank.Histogram {
	failures, bins, numbers := uint64(0), []int32(nil), []uint64(nil)
	for _, c := range counts {
		if c.bin() == failed {
			failures += c.n()
		} else {
			bins, numbers = append(bins, int32(c.bin())), append(numbers, c.n())
		}
	}
	h, err := rank.NewHistogram(failures, bins, numbers)
	if err != nil {
		panic(err) // the logarithm of 32 bits is always that of a bin
	}
	return []rank.Histogram{h}
}
