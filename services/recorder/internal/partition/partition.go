// Package partition lands the messages of one stream partition in ClickHouse exactly once.
//
// A block is every message of the partition with a stream sequence in [first, last]. Before a block is inserted its range is written to the bucket
// recorder by compare-and-set, and it is inserted under a token made of that range. So whoever goes on after a crash knows the one block that may or may
// not be in, reads the same messages again, inserts them under the same token, and ClickHouse drops what it has. Whoever loses the compare-and-set stops.
// Which recorder writes a partition is package share's to say; that two believe to be the one does no harm here.
package partition

import (
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// Domain is a JetStream of the bus with its name, which is empty for the hub's.
type Domain struct {
	Name string
	bus.Domain
}

// All returns a writer for each partition of each stream that is recorded; common is what they share. Samples are in every domain, the rest is in the first.
func All(common Writer, retention time.Duration, domains ...Domain) []*Writer {
	var writers []*Writer
	for i, d := range domains {
		for _, p := range schemas.Partitions() {
			if i > 0 && p.Stream != schemas.Samples {
				continue
			}
			w := common
			w.Name, w.Source, w.Stream, w.Subjects, w.Contents = p.Name, d, p.Stream, p.Subjects, contents(p.Stream, retention)
			if d.Name != "" {
				w.Name = d.Name + "-" + w.Name
			}
			w.Log = common.Log.With().Str("partition", w.Name).Logger()
			w.trouble = &trouble{}
			writers = append(writers, &w)
		}
	}
	return writers
}

func contents(stream string, retention time.Duration) Contents {
	switch stream {
	case schemas.Samples:
		return &table.Samples{Lateness: table.Measured}
	case schemas.Imports:
		return &table.Samples{Lateness: table.Imported(retention)}
	case schemas.Evaluations:
		return &table.Evaluations{}
	default:
		return &table.Events{}
	}
}
