package partition

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
)

// maxBytes ends a block whose messages are large although its rows are few.
const maxBytes = 32 << 20

// block is what was read and is not in ClickHouse yet.
type block struct {
	first, last uint64
	// stored is when the bus stored the first message.
	stored  time.Time
	rows    int
	bytes   int
	refused []refusal
}

// refusal is a message of the block that could not be read, or not all of it.
type refusal struct {
	message bus.Message
	reason  error
}

func (b *block) empty() bool { return b.last == 0 }

// endsBefore says whether a message belongs to the next block because it was stored on another day: rows go to partitions by day or month, and one INSERT into one partition is one part.
func (b *block) endsBefore(m bus.Message) bool {
	return !b.empty() && !sameDay(b.stored, m.Stored)
}

func sameDay(a, b time.Time) bool {
	const day = 24 * time.Hour
	return a.UTC().Truncate(day).Equal(b.UTC().Truncate(day))
}

func (b *block) add(m bus.Message, rows int, err error) {
	if b.empty() {
		b.first, b.stored = m.Sequence, m.Stored
	}
	b.last = m.Sequence
	b.rows += rows
	b.bytes += len(m.Data)
	if err != nil {
		b.refused = append(b.refused, refusal{m, err})
	}
}

func (b *block) reset(c Contents) {
	*b = block{}
	c.Reset()
}
