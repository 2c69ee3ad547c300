package stats

import (
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/ranker/internal/rank"
)

// held is what is held of an app.
type held struct {
	layout layout
	// first is the clock's block that blocks are counted from.
	first int64
	cell  map[key]*cell
	// sorted are the cells in the order of the inputs.
	sorted []*cell
	// minutes are how many samples of each minute were counted.
	minutes  map[int64]uint64
	sequence uint64
}

// key names a cell.
type key struct{ vantage, region, variant, kind string }

// cell is what is held of one.
type cell struct {
	key
	newestMS int64
	counts   []count
}

// count is how many samples of a block are in a bin, in one word so that an hour of a cell takes a few kilobytes: 24 bits for the block, counted from the app's first,
// 16 for the bin, where 0 is for failures, and 24 for their number. Counts are sorted by block and bin.
type count uint64

// failed is the bin of failures.
const failed = -1

func newCount(block int64, bin int32) count { return count(block)<<40 | count(bin+1)<<24 }

func (c count) block() int64 { return int64(c >> 40) }
func (c count) bin() int     { return int(c>>24&0xffff) - 1 }
func (c count) n() uint64    { return uint64(c & 0xffffff) }

// maxCount is the most that a count holds: more of one bin in one block, 280,000 samples a second for a minute, are not counted.
const maxCount = 0xffffff

// newHeld holds nothing yet, from a time on.
func newHeld(l layout, fromMS int64) *held {
	return &held{layout: l, first: fromMS / l.blockMS, cell: map[key]*cell{}, minutes: map[int64]uint64{}}
}

// maxBlock is the last block that can be counted: after half a year of blocks of a second everything has to be read again.
const maxBlock = 1<<24 - 1

// full says whether there is no room for the block of a time.
func (h *held) full(ms int64) bool { return ms/h.layout.blockMS-h.first > maxBlock }

// add counts n samples of a cell.
func (h *held) add(k key, dueMS int64, bin int32, n uint64) {
	block := dueMS/h.layout.blockMS - h.first
	if block < 0 || block > maxBlock {
		return
	}
	c := h.cell[k]
	if c == nil {
		c = &cell{key: k}
		h.cell[k], h.sorted = c, nil
	}
	c.newestMS = max(c.newestMS, dueMS)
	c.add(newCount(block, bin), n)
}

// add keeps the counts sorted. Most samples are of the newest block, so that the place is near the end.
func (c *cell) add(at count, n uint64) {
	i := len(c.counts)
	for i > 0 && c.counts[i-1]>>24 > at>>24 {
		i--
	}
	if i > 0 && c.counts[i-1]>>24 == at>>24 {
		i--
		n += c.counts[i].n()
	} else {
		c.counts = slices.Insert(c.counts, i, at)
	}
	c.counts[i] = at | count(min(n, maxCount))
}

// drop forgets the blocks before one.
func (c *cell) drop(block int64) {
	if n := slices.IndexFunc(c.counts, func(c count) bool { return c.block() >= block }); n != 0 {
		if n < 0 {
			n = len(c.counts)
		}
		c.counts = slices.Delete(c.counts, 0, n)
	}
}

// cells are the cells of a ranking in order, each with its blocks. What is older than its window is forgotten.
func (h *held) cells(in rank.Inputs, s scope, room *room) []rank.Cell {
	from := in.End.UnixMilli() - in.WindowMS
	h.forget(from)
	if h.sorted == nil {
		for _, c := range h.cell {
			h.sorted = append(h.sorted, c)
		}
		slices.SortFunc(h.sorted, func(a, b *cell) int { return a.named().Compare(b.named()) })
	}
	room.clear()
	all := make([]rank.Cell, 0, len(h.sorted))
	for _, c := range h.sorted {
		if !s.has(c.key, h.layout.costs(c.kind)) {
			continue
		}
		one := c.named()
		one.NewestMS = min(c.newestMS, in.End.UnixMilli())
		if h.layout.costs(c.kind) {
			one.Blocks = room.blocks(c.counts, from/h.layout.blockMS-h.first, in.Blocks())
		} else {
			one.Blocks = whole(c.counts)
		}
		all = append(all, one)
	}
	return all
}

// forget drops what is older than a time.
func (h *held) forget(ms int64) {
	for k, c := range h.cell {
		if c.drop(ms/h.layout.blockMS - h.first); len(c.counts) == 0 {
			delete(h.cell, k)
			h.sorted = nil
		}
	}
	for minute := range h.minutes {
		if minute < minuteOf(ms-memory.Milliseconds()) {
			delete(h.minutes, minute)
		}
	}
}

// oldest is a minute that only a part is known of; of those after it everything is.
func (h *held) oldest(now time.Time) int64 {
	return minuteOf(max(h.first*h.layout.blockMS, now.Add(-memory).UnixMilli()-h.layout.windowMS))
}

func (c *cell) named() rank.Cell {
	return rank.Cell{Vantage: c.vantage, Candidate: schemas.Candidate{Region: c.region, Variant: c.variant}, Kind: c.kind}
}
