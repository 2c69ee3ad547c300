package clickhouse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Names are the values of a column that has few different ones: value i is Texts[Index[i]]. A column of type
// LowCardinality(String) takes them as they are, where the driver would look each text up in a map.
type Names struct {
	Index []uint32
	Texts []string
}

// At is value i.
func (n Names) At(i int) string { return n.Texts[n.Index[i]] }

// errIndex says that a value has no text.
var errIndex = errors.New("an index points outside the texts")

// encoder fills columns of a batch with names.
type encoder struct {
	batch  driver.Batch
	buffer bytes.Buffer
	reader *proto.Reader // of buffer
}

func (e *encoder) append(i int, n Names) error {
	for _, index := range n.Index {
		if int64(index) >= int64(len(n.Texts)) {
			return errIndex
		}
	}
	low, ok := e.batch.Columns()[i].(*column.LowCardinality)
	if !ok || low.Type() != "LowCardinality(String)" || low.Rows() > 0 {
		texts := make([]string, len(n.Index))
		for row := range texts {
			texts[row] = n.At(row)
		}
		return e.batch.Column(i).Append(texts)
	}
	if e.reader == nil {
		e.reader = proto.NewReader(&e.buffer)
	}
	e.buffer.Write(n.encode(e.buffer.AvailableBuffer()))
	// The driver sends a column that it has read from a server as it is, so it is made to read this one.
	if err := low.Decode(e.reader, len(n.Index)); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	return nil
}

// The beginning of a LowCardinality column in the native format: how wide the keys are, and that the dictionary is
// new and comes with them.
const (
	keys8         = 0
	keys16        = 1
	keys32        = 2
	newDictionary = 1<<9 | 1<<10
)

// encode appends the column in the native format: the texts that occur, in the order they do, then a key for each value.
// The first text is the empty one, as ClickHouse has it.
func (n Names) encode(w []byte) []byte {
	keys := make([]uint32, len(n.Texts)) // 1 + the key of each text, 0 for one that has not occurred
	used := []string{""}
	for _, index := range n.Index {
		if keys[index] > 0 {
			continue
		}
		if keys[index] = 1; n.Texts[index] != "" {
			used = append(used, n.Texts[index])
			keys[index] = uint32(len(used))
		}
	}
	width, kind := 1, uint64(keys8)
	switch {
	case len(used) > math.MaxUint16:
		width, kind = 4, keys32
	case len(used) > math.MaxUint8:
		width, kind = 2, keys16
	}
	size := 24 + width*len(n.Index)
	for _, text := range used {
		size += binary.MaxVarintLen32 + len(text)
	}
	w = binary.LittleEndian.AppendUint64(slices.Grow(w, size), newDictionary|kind)
	w = binary.LittleEndian.AppendUint64(w, uint64(len(used)))
	for _, text := range used {
		w = append(binary.AppendUvarint(w, uint64(len(text))), text...)
	}
	w = binary.LittleEndian.AppendUint64(w, uint64(len(n.Index)))
	switch width {
	case 1:
		for _, index := range n.Index {
			w = append(w, byte(keys[index]-1))
		}
	case 2:
		for _, index := range n.Index {
			w = binary.LittleEndian.AppendUint16(w, uint16(keys[index]-1))
		}
	default:
		for _, index := range n.Index {
			w = binary.LittleEndian.AppendUint32(w, keys[index]-1)
		}
	}
	return w
}
