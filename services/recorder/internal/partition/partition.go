// Package partition lands the messages of one stream partition in ClickHouse exactly once.
//
// A block is every message of the partition with a stream sequence in [first, last]. Before a block is inserted its range is written to the bucket
// recorder by compare-and-set, and it is inserted under a token made of that range. So whoever goes on after a crash knows the one block that may or may
// not be in, reads the same messages again, inserts them under the same token, and ClickHouse drops what it has. Whoever loses the compare-and-set stops.
package partition

import (
	"strconv"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/recorder/internal/table"
)

// All returns a writer for each partition of each stream that is recorded; common is what they share.
func All(common Writer) []*Writer {
	var writers []*Writer
	add := func(stream, number string, contents Contents, subjects ...string) {
		w := common
		w.Name, w.Stream, w.Subjects, w.Contents = strings.ToLower(stream)+"-"+number, stream, subjects, contents
		w.Log = common.Log.With().Str("partition", w.Name).Logger()
		w.trouble = &trouble{problem: errNotStarted}
		writers = append(writers, &w)
	}
	for n := range schemas.SamplePartitions {
		number := strconv.Itoa(n)
		add(schemas.Samples, number, &table.Samples{}, schemas.SamplesSubject+"."+number+".*")
	}
	add(schemas.Evaluations, "0", &table.Rankings{})
	add(schemas.Events, "0", &table.Events{})
	return writers
}
